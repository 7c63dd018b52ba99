/**
 * Takes out of a text what looks like a secret. Messages are written so as not to hold any; this is
 * for words a person typed in the wrong place, which a usage error repeats.
 */
export function redact(text: string): string {
  return (
    text
      // A url taken for a path has one slash left.
      .replaceAll(/:(\/+)[^/\s@'"]*@/g, ":$1…@")
      .replaceAll(/(AGE-SECRET-KEY-|RESTBACKUP-SIGNING-KEY-)[a-z0-9-]*/gi, "$1…")
  );
}
