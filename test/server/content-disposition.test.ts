import fc from "fast-check";
import { expect, test } from "vitest";
import { contentDisposition } from "../../src/server/content-disposition.ts";

test.each([
  ["data.20100523.tar.gz", 'attachment; filename="data.20100523.tar.gz"'],
  ["a/b/last part.txt", 'attachment; filename="last part.txt"'],
  ["ü.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"],
  [
    `"quoted\\".txt`,
    "attachment; filename=\"_quoted__.txt\"; filename*=UTF-8''%22quoted%5C%22.txt",
  ],
  ["100%25.txt", "attachment; filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"],
  ["it's (1)*é", "attachment; filename=\"it's (1)*_\"; filename*=UTF-8''it%27s%20%281%29%2A%C3%A9"],
  ["photo\u202egpj.exe", 'attachment; filename="photo_gpj.exe"'],
])("%j is saved under its own name", (name, field) => {
  expect(contentDisposition(name)).toBe(field);
});

test("any name gives a field of plain ASCII that reads back as the last part of the name", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !text.includes("/"));
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 3 }), (parts) => {
      const field = contentDisposition(parts.join("/"));
      expect(field).toMatch(
        /^attachment; filename="[\x20-\x7e]*"(?:; filename\*=UTF-8''[\w!#$&+.^`|~%-]*)?$/,
      );
      expect(field.split('"')).toHaveLength(3);
      const extended = /filename\*=UTF-8''(.*)$/.exec(field)?.[1];
      const plain = /filename="(.*?)"/.exec(field)![1]!;
      const file = extended === undefined ? plain : decodeURIComponent(extended);
      expect(file).toBe(parts.at(-1)!.replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "_"));
    }),
  );
});
