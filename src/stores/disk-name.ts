import { createHash } from "node:crypto";

/**
 * How object names become paths below a directory store, so that no two names share a path and
 * everyday names stay as they are:
 *
 * - The last segment names a file, the others folders. A folder carries the suffix `.d`, which a
 *   file never ends in, so `a` and `a/b` can both be stored: `a` and `a.d/b`.
 * - `%XX` stands for a byte that could not be there: `%` itself; the dot of a file name that ends
 *   in `.d`; the first dot of a first segment `.restbackup` (the store's own); on Windows also
 *   what that system reserves.
 * - A segment longer than 255 bytes after that becomes `%~` and the SHA-256 of the segment; the
 *   true name is then only in the object's record below `.restbackup/meta`.
 */
export function diskPath(name: string, platform: NodeJS.Platform = process.platform): string[] {
  const segments = name.split("/");
  return segments.map((segment, index) => {
    const isFile = index === segments.length - 1;
    const escaped = escapeSegment(segment, { isFile, isFirst: index === 0, platform });
    return isFile ? escaped : `${escaped}${FOLDER_SUFFIX}`;
  });
}

/** Own data of the store, directly below its root. */
export const OWN_FOLDER = ".restbackup";

const FOLDER_SUFFIX = ".d";
const MAX_BYTES = 255;
const HASHED = /^%~[0-9a-f]{64}(?:\.d)?$/;

interface Place {
  readonly isFile: boolean;
  readonly isFirst: boolean;
  readonly platform: NodeJS.Platform;
}

function escapeSegment(segment: string, place: Place): string {
  let escaped = segment.replaceAll("%", "%25");
  if (place.isFile) escaped = escaped.replace(/\.(?=d$)/i, "%2E");
  if (place.isFirst && segment.toLowerCase() === OWN_FOLDER) escaped = `%2E${escaped.slice(1)}`;
  if (place.platform === "win32") escaped = escapeForWindows(escaped);
  const length = Buffer.byteLength(escaped) + (place.isFile ? 0 : FOLDER_SUFFIX.length);
  if (length <= MAX_BYTES) return escaped;
  return `%~${createHash("sha256").update(segment).digest("hex")}`;
}

/** What Windows cannot hold: reserved characters, a dot or space at the end, device names. */
function escapeForWindows(segment: string): string {
  return segment
    .replaceAll(/[<>:"|?*\\]/g, percent)
    .replace(/[. ]$/, percent)
    .replace(/^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(?=$|\.| )/i, (device) =>
      device.replace(/^./, percent),
    );
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/** Whether the true name is not in this segment of a path. */
export function isHashed(diskSegment: string): boolean {
  return HASHED.test(diskSegment);
}

/** Whether a folder's name is one that {@link diskPath} gives. */
export function isObjectFolder(diskSegment: string): boolean {
  return diskSegment.endsWith(FOLDER_SUFFIX);
}

/**
 * The name a path stands for, or undefined for paths that {@link diskPath} never gives: foreign
 * files, and hashed segments.
 */
export function nameOfDiskPath(
  path: readonly string[],
  platform: NodeJS.Platform = process.platform,
): string | undefined {
  const segments: string[] = [];
  for (const [index, segment] of path.entries()) {
    const isFile = index === path.length - 1;
    if (!isFile && !isObjectFolder(segment)) return undefined;
    const escaped = isFile ? segment : segment.slice(0, -FOLDER_SUFFIX.length);
    segments.push(
      escaped.replaceAll(/%([0-9A-F]{2})/g, (_, hex: string) =>
        String.fromCharCode(Number(`0x${hex}`)),
      ),
    );
  }
  const name = segments.join("/");
  // Only the canonical spelling counts: otherwise two files could claim one name.
  const canonical = diskPath(name, platform);
  const same =
    canonical.length === path.length &&
    canonical.every((segment, index) => segment === path[index]);
  return same ? name : undefined;
}
