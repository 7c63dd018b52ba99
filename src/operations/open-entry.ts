import { ArchiveReader } from "../archive/read-archive.ts";
import type { ByteRange } from "../byte-range.ts";
import { openAge } from "../encryption/age.ts";
import { checkAuthentication } from "../encryption/authentication.ts";
import type { SecretKey } from "../encryption/keys.ts";
import type { TrustedSigner } from "../encryption/signing.ts";
import { RestbackupError } from "../errors.ts";
import { printable } from "../naming.ts";
import type { Store, TransferOptions } from "../stores/store.ts";
import { type ArchiveEntry, type EntrySelector, findEntry } from "./entries.ts";
import { parallelRange } from "./parallel-range.ts";

/** Who an archive was proven to be written by; `none` is only accepted when asked for. */
export type Authenticity =
  | { readonly by: "key" }
  | { readonly by: "signer"; readonly signer: string }
  | { readonly by: "none" };

/** Which backup to open, and with what. */
export interface OpenOptions extends EntrySelector {
  readonly store: Store;
  readonly key: SecretKey;
  readonly trustedSigners?: readonly TrustedSigner[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface OpenedEntry {
  readonly archive: ArchiveEntry;
  readonly reader: ArchiveReader;
  readonly authenticity: Authenticity;
}

/**
 * Finds an entry, decrypts its end and reads its contents list. Throws `not-found`, `wrong-key`,
 * `damaged`, and `unauthentic` when the archive was stored under another name than it was written
 * for: an older or other backup in this one's place.
 */
export async function openEntry(
  options: OpenOptions,
  onBytes?: (bytes: number) => void,
): Promise<OpenedEntry> {
  const { store, key, trustedSigners, signal } = options;
  const archive = await findEntry(store, options, { signal });
  const source = storedRange(store, archive, { signal, onBytes });
  const reader = await ArchiveReader.open(await openAge(source, key));
  if (reader.index.archive !== archive.entry) {
    throw new RestbackupError(
      "unauthentic",
      `${printable(archive.entry)} holds another archive: ${printable(reader.index.archive)}.`,
      {
        hint: "Someone swapped or renamed it in the store. If that was you, store it under its own name again.",
      },
    );
  }
  const proof = checkAuthentication(reader.digest, reader.authentication, {
    key,
    trustedSigners: trustedSigners ?? [],
  });
  return { archive, reader, authenticity: proof ?? { by: "none" } };
}

/** Throws `unauthentic` for an archive of which nothing proves who wrote it, unless allowed. */
export function requireAuthentic(opened: OpenedEntry, allowed: boolean | undefined): void {
  if (opened.authenticity.by !== "none" || allowed === true) return;
  const { hmac, signature } = opened.reader.authentication;
  const why =
    signature !== undefined
      ? `it is signed by ${printable(signature.signer)}, who is not among the trusted signers`
      : hmac !== undefined
        ? "it was authenticated with a key that is not among yours, or forged"
        : "it was written without a secret key or signing key";
  throw new RestbackupError(
    "unauthentic",
    `Nothing proves who wrote ${printable(opened.archive.entry)}: ${why}.`,
    {
      hint: "Anyone who knows your public recipient could have made it. If you know where it comes from, name its signer (--trusted-signer, input trusted-signers) or allow it (--allow-unauthenticated, input allow-unauthenticated).",
    },
  );
}

/** All objects of an entry, one after the other, as one range of bytes. */
function storedRange(store: Store, archive: ArchiveEntry, transfer: TransferOptions): ByteRange {
  const range: ByteRange = {
    size: archive.size,
    givesAway: true,
    async *read(start, end) {
      let objectStart = 0;
      for (const { name, size } of archive.objects) {
        const from = Math.max(start - objectStart, 0);
        const to = Math.min(end - objectStart, size);
        if (from < to) yield* store.get(name, { ...transfer, start: from, end: to });
        objectStart += size;
      }
    },
  };
  return store.distant === true ? parallelRange(range, { possible: () => store.ranges }) : range;
}
