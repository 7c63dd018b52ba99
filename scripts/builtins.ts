import { isBuiltin } from "node:module";

/** `import a from "x";`, `import * as a from "x";` and `import { a, b as c } from "x";` as esbuild writes them. */
const IMPORT = /import ?([\w$]+|\*as [\w$]+|\{[^{}]*\}) ?from"([\w:/]+)";/g;
/** The same, however it is written. */
const ANY_IMPORT = /(?:import|export)[^;"'()]*from ?["']([\w:/]+)["']/g;

/**
 * Has minified code take Node's own modules without importing them. To import one, Node evaluates
 * all it exports, and so loads what nobody uses: the WebCrypto of `crypto`, the streams of `process`,
 * the argument parser of `util`. Throws for an import that it does not know how to replace.
 */
export function withoutImportsOfBuiltins(code: string): string {
  const taken: string[] = [];
  const rest = code.replace(IMPORT, (whole, names: string, module: string) => {
    if (!isBuiltin(module)) return whole;
    taken.push(`${pattern(names)}=process.getBuiltinModule("${module}")`);
    return "";
  });
  for (const [found, module] of rest.matchAll(ANY_IMPORT)) {
    if (isBuiltin(module!)) throw new Error(`cannot take the place of ${found}`);
  }
  if (taken.length === 0) return code;
  // First, as imports are.
  return `const ${taken.join(",")};${rest}`;
}

/** What is imported, as the left side of an assignment. */
function pattern(names: string): string {
  if (!names.startsWith("{")) return names.replace(/^\*as /, "");
  if (/\bdefault\b/.test(names)) throw new Error(`cannot take the place of ${names}`);
  return names.replaceAll(" as ", ":");
}
