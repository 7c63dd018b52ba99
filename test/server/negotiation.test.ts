import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { preferredRefusal, prefersHtml } from "../../src/server/negotiation.ts";

describe("a page is sent", () => {
  test.each([
    ["Firefox", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
    [
      "Chrome",
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
    ],
    ["a text browser", "text/html, text/*;q=0.5"],
    ["one that takes any text", "text/*"],
    ["HTML over JSON by weight", "application/json;q=0.4, text/html;q=0.5"],
    ["JSON refused", "application/json;q=0, */*"],
    ["capitals and spaces", "TEXT/HTML ; Q=1 , */* ; q=0.1"],
    ["our own charset", "text/html;charset=utf-8, */*;q=0.1"],
  ])("to %s", (_, accept) => {
    expect(prefersHtml(accept)).toBe(true);
    expect(preferredRefusal(accept)).toBe("html");
  });
});

describe("JSON is sent", () => {
  test.each([
    ["no Accept field", undefined],
    ["an empty one", ""],
    ["curl", "*/*"],
    ["Python's requests of old", "application/json, */*"],
    ["Java of old", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"],
    ["Java of today", "text/html, image/gif, image/jpeg, */*; q=0.2"],
    ["both alike", "text/html, application/json"],
    ["JSON over HTML by weight", "text/html;q=0.8, application/json"],
    ["HTML refused", "text/html;q=0, */*"],
    ["a special form of HTML", "text/html;level=1"],
    ["neither", "image/png"],
    ["nonsense", ",;/, text, /html, text/html;q=2, text/html;q=abc"],
  ])("to %s", (_, accept) => {
    expect(prefersHtml(accept)).toBe(false);
  });
});

test("refusals are problem details only where JSON is asked for by name", () => {
  expect(preferredRefusal("application/json")).toBe("json");
  expect(preferredRefusal("application/problem+json, */*;q=0.1")).toBe("json");
  expect(preferredRefusal("*/*")).toBe("text");
  expect(preferredRefusal(undefined)).toBe("text");
  expect(preferredRefusal("application/json;q=0, */*")).not.toBe("json");
});

test("the order of ranges does not matter, nor any text in between crash", () => {
  const range = fc.record({
    type: fc.constantFrom("text/html", "application/json", "text/*", "application/*", "*/*", "x/y"),
    q: fc.integer({ min: 0, max: 1000 }),
  });
  const ranges = fc.uniqueArray(range, { selector: ({ type }) => type });
  const field = (list: readonly { type: string; q: number }[]) =>
    list.map(({ type, q }) => `${type};q=${(q / 1000).toFixed(3)}`).join(", ");
  fc.assert(
    fc.property(ranges, (list) => {
      const quality = (...types: string[]) => {
        for (const type of types) {
          const found = list.find((candidate) => candidate.type === type);
          if (found !== undefined) return found.q;
        }
        return 0;
      };
      const html = quality("text/html", "text/*", "*/*");
      const json = quality("application/json", "application/*", "*/*");
      expect(prefersHtml(field(list))).toBe(html > json);
      expect(prefersHtml(field([...list].reverse()))).toBe(html > json);
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => void preferredRefusal(text)));
});
