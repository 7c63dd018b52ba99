import { setFlagsFromString } from "node:v8";

/**
 * For a process that passes data on all its life: has short-lived buffers collected before they pile
 * up. Their memory is not counted where new objects are made, and room for those would grow until it
 * holds the remains of a hundred megabytes. Only before much has been allocated does it help.
 *
 * What Node loads of itself after such a flag was set it compiles anew, so this is no help to a
 * process that soon ends.
 */
export function collectOften(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
