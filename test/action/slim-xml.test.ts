import fc from "fast-check";
import { expect, it } from "vitest";

/** What the bundle of the cache has in place of `@azure/core-xml`, and that itself. */
const modules = [
  "scripts/slim/azure-core-xml.js",
  "node_modules/@azure/core-xml/dist/esm/index.js",
];
const [slim, real] = await Promise.all(
  modules.map((path) => import(new URL(`../../${path}`, import.meta.url).href)),
);

it("an upload's list of blocks is written as by the package it stands in for", () => {
  const blocks = fc.array(fc.base64String({ minLength: 4 }), { minLength: 1 });
  fc.assert(
    fc.property(blocks, (Latest) => {
      const written = slim.stringifyXML({ Latest }, { rootName: "BlockList" });
      expect(written).toBe(real.stringifyXML({ Latest }, { rootName: "BlockList" }));
    }),
  );
});

it("what an answer says went wrong is read as by the package it stands in for", async () => {
  const answer =
    '<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthenticationFailed</Code>' +
    "<Message>Server failed to authenticate.\nRequestId:1f</Message></Error>";
  const fields = await slim.parseXML(answer);
  expect(fields).toEqual(await real.parseXML(answer));
  expect(fields.Code).toBe("AuthenticationFailed");
});
