/** What a directory store writes down for each object, as JSON, below `.restbackup/meta`. */
export interface ObjectRecord {
  /** The object's true name, which its path may only hold as a hash. */
  readonly name: string;
  /** Length in bytes. */
  readonly size: number;
  /** Unix seconds. */
  readonly createtime: number;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
}

/** Reads a record; undefined when it is damaged. */
export function parseRecord(text: string): ObjectRecord | undefined {
  let value: Partial<ObjectRecord> | null;
  try {
    value = JSON.parse(text) as Partial<ObjectRecord> | null;
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { name, size, createtime, sha256 } = value;
  if (typeof name !== "string" || typeof sha256 !== "string") return undefined;
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(createtime)) return undefined;
  if (!/^[0-9a-f]{64}$/.test(sha256)) return undefined;
  return { name, size: size!, createtime: createtime!, sha256 };
}

/** Whether a record speaks of the file as it is now, and not of one since replaced by hand. */
export function isRecordOf(
  record: ObjectRecord,
  name: string,
  file: { readonly size: number; readonly createtime: number },
): boolean {
  return record.name === name && record.size === file.size && record.createtime === file.createtime;
}
