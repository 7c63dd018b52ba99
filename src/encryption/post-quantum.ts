import {
  Decrypter,
  Encrypter,
  generateHybridIdentity as generate,
  identityToRecipient,
} from "age-encryption";
import { malformedHeader } from "./stanzas.ts";

/**
 * Post-quantum keys (age spec, "mlkem768x25519"), by way of the age-encryption package. It takes a
 * tenth of a backup's start to load, so nothing imports this statically.
 */

/** A new identity, `AGE-SECRET-KEY-PQ-1…`. */
export function generateHybridIdentity(): Promise<string> {
  return generate();
}

/** The recipient of an identity, `age1pq1…`. */
export function hybridRecipient(identity: string): Promise<string> {
  return identityToRecipient(identity);
}

/** Whether this is a recipient, and not only looks like one. */
export function isHybridRecipient(text: string): boolean {
  try {
    new Encrypter().addRecipient(text);
    return true;
  } catch {
    return false;
  }
}

/** An age file without content, and its file key. */
export async function createForHybrid(
  recipients: readonly string[],
): Promise<{ file: Buffer; fileKey: Uint8Array }> {
  const encrypter = new Encrypter();
  for (const recipient of recipients) encrypter.addRecipient(recipient);
  // Sees the file key as every recipient does, and adds nothing to the header.
  let fileKey: Uint8Array | undefined;
  encrypter.addRecipient({
    wrapFileKey(given) {
      fileKey = Uint8Array.from(given);
      return [];
    },
  });
  // Of bytes the package would make a Response, and Node would load all that belongs to fetch.
  const nothing = new ReadableStream<Uint8Array>({ start: (controller) => controller.close() });
  const file = Buffer.concat(await Array.fromAsync(await encrypter.encrypt(nothing)));
  return { file, fileKey: fileKey! };
}

/** The file key of a header; identities may be of both kinds. Undefined where none is for them. Throws `damaged`. */
export async function openWithHybrid(
  header: Buffer,
  identities: readonly string[],
): Promise<Uint8Array | undefined> {
  const decrypter = new Decrypter();
  for (const identity of identities) decrypter.addIdentity(identity);
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("no identity matched")) return undefined;
    throw malformedHeader(error);
  }
}
