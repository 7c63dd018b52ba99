/**
 * A `Content-Disposition` (RFC 6266) that makes a browser save what is stored under `name`, as the
 * last part of that. What is not plain ASCII is given twice, once as RFC 8187 has it.
 */
export function contentDisposition(name: string): string {
  // What turns the direction of writing could make one type of file look like another.
  const file = name
    .slice(name.lastIndexOf("/") + 1)
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu, "_");
  const plain = file.replaceAll(/[^\x20-\x7e]|["\\%]/gu, "_");
  const quoted = `attachment; filename="${plain}"`;
  return plain === file ? quoted : `${quoted}; filename*=UTF-8''${encodeValue(file)}`;
}

/** RFC 8187, 3.2.1: all but `attr-char` is percent-encoded. */
function encodeValue(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
