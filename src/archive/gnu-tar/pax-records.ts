import { RestbackupError } from "../../errors.ts";

export interface PaxRecord {
  readonly keyword: string;
  /** Bytes: GNU tar's dumpdirs hold NUL. */
  readonly value: Buffer;
}

/**
 * Reads the records of a PAX extended header, `LENGTH KEYWORD=VALUE\n` each, where LENGTH counts
 * itself (POSIX.1-2017 "pax", "pax Extended Header"). Throws `damaged`.
 */
export function* parsePaxRecords(content: Buffer): Generator<PaxRecord> {
  for (let at = 0; at < content.length; ) {
    const space = content.indexOf(0x20, at);
    const digits = space < 0 || space - at > 15 ? "" : content.toString("latin1", at, space);
    const end = at + Number(digits);
    const equals = content.indexOf(0x3d, space + 1);
    if (
      !/^\d+$/.test(digits) ||
      end > content.length ||
      equals < 0 ||
      equals >= end ||
      content[end - 1] !== 0x0a
    ) {
      throw new RestbackupError("damaged", "The archive is damaged: an extended header is none.");
    }
    yield {
      keyword: content.toString("utf8", space + 1, equals),
      value: content.subarray(equals + 1, end - 1),
    };
    at = end;
  }
}
