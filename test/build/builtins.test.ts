import { expect, it } from "vitest";
import { withoutImportsOfBuiltins } from "../../scripts/builtins.ts";

it("takes Node's own modules first, and leaves all other code alone", () => {
  const code =
    'import{a as b}from"./chunk-X.js";import c from"node:fs";f();import{d,e as g}from"node:crypto";' +
    'import*as h from"os";export{b};import("node:zlib");';
  expect(withoutImportsOfBuiltins(code)).toBe(
    'const c=process.getBuiltinModule("node:fs"),{d,e:g}=process.getBuiltinModule("node:crypto"),' +
      'h=process.getBuiltinModule("os");' +
      'import{a as b}from"./chunk-X.js";f();export{b};import("node:zlib");',
  );
  expect(withoutImportsOfBuiltins("f();")).toBe("f();");
});

it.each([
  'import{default as a}from"node:fs";',
  'import a,{b}from"node:fs";',
  'export{a}from"node:fs";',
  "import a from 'fs'",
])("refuses what it cannot replace: %s", (code) => {
  expect(() => withoutImportsOfBuiltins(code)).toThrow("cannot take the place of");
});
