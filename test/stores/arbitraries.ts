import fc from "fast-check";
import { checkObjectName } from "../../src/stores/object-name.ts";

/** Names of stored objects, rich in what is awkward on disk and in urls. */
export function objectNames(): fc.Arbitrary<string> {
  const awkward = fc.constantFrom(
    ...[
      "a",
      "A",
      ".d",
      ".D",
      "%",
      "%2E",
      "%~",
      ".restbackup",
      ".RestBackup",
      "con",
      "NUL.txt",
      "x.",
    ],
    ...[
      "ü",
      "u\u0308",
      "?",
      "*",
      ":",
      "\\",
      '"',
      " ",
      "~",
      "+",
      "😀",
      "x".repeat(251),
      "é".repeat(125),
    ],
  );
  const segment = fc
    .array(fc.oneof(awkward, fc.string({ unit: "grapheme", maxLength: 6 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((parts) => parts.join(""));
  return fc
    .array(segment, { minLength: 1, maxLength: 4 })
    .map((segments) => segments.join("/"))
    .filter(isObjectName);
}

function isObjectName(name: string): boolean {
  try {
    checkObjectName(name);
    return true;
  } catch {
    return false;
  }
}
