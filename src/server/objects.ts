import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { DirectoryObject, DirectoryStore } from "../stores/directory.ts";
import { formatReprDigest } from "../stores/repr-digest.ts";
import { type AnnouncedDigests, announcedDigests, wantsNoSha256 } from "./announced-digests.ts";
import { readBody } from "./body.ts";
import { evaluate, type Part } from "./conditions.ts";
import { contentDisposition } from "./content-disposition.ts";
import type { Pace } from "./limits.ts";
import { Refusal } from "./refusal.ts";
import { sendPieces } from "./sending.ts";
import { withoutTimeout } from "./socket-timeout.ts";
import type { Usage } from "./usage.ts";

/** `backup-api.md`, part 1. */
const MAX_OBJECT_BYTES = 5_368_709_120;

/** What there is room for in an account. */
interface Room {
  readonly usage: Usage;
  readonly quotaBytes: number | undefined;
}

/** What receiving takes beside the request. */
export interface Upload {
  readonly expectsContinue: boolean;
  readonly room: Room;
  readonly pace: Pace;
}

/** Answers GET and HEAD of a name. */
export async function sendObject(
  req: IncomingMessage,
  res: ServerResponse,
  store: DirectoryStore,
  name: string,
): Promise<void> {
  // A file copied in by hand is digested first, which may take longer than a silent socket lives.
  using opened = await withoutTimeout(req, () => store.open(name));
  if (opened === undefined) throw new Refusal(404, "No such file.");
  const { object } = opened;
  const method = req.method === "HEAD" ? "HEAD" : "GET";
  const etag = `"${object.sha256}"`;
  const { size, createtime: modified } = object;
  const outcome = evaluate(method, req.headers, { size, etag, modified });
  if (outcome.status === 412) throw new Refusal(412, "The file is not as the request supposes.");
  if (outcome.status === 416) {
    throw new Refusal(416, "The file has no such range.", { "Content-Range": `bytes */${size}` });
  }
  const headers = {
    ETag: etag,
    "Last-Modified": new Date(modified * 1000).toUTCString(),
    "Cache-Control": "no-store, private, no-transform",
  };
  if (outcome.status === 304) {
    res.writeHead(304, headers).end();
    return;
  }
  const part = outcome.status === 206 ? outcome.part : { start: 0, end: size };
  if (!wantsNoSha256(req.headers)) res.setHeader("Repr-Digest", formatReprDigest(object.sha256));
  res.writeHead(outcome.status, { ...headers, ...contentHeaders(object, part, outcome.status) });
  if (method === "HEAD") res.end();
  else await sendPieces(res, opened.read(part));
}

function contentHeaders(object: DirectoryObject, part: Part, status: 200 | 206) {
  return {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": contentDisposition(object.name),
    "Content-Length": part.end - part.start,
    "Accept-Ranges": "bytes",
    ...(status === 206
      ? { "Content-Range": `bytes ${part.start}-${part.end - 1}/${object.size}` }
      : {}),
  };
}

/**
 * Answers PUT of a name. What can be refused by the header is refused before the client is told to
 * go on (RFC 9110, 10.1.1).
 */
export async function receiveObject(
  req: IncomingMessage,
  res: ServerResponse,
  store: DirectoryStore,
  name: string,
  { expectsContinue, room, pace }: Upload,
): Promise<void> {
  const size = announcedSize(req);
  const digests = announcedDigests(req.headers);
  // Before If-None-Match: conditions do not count where the answer would be a refusal without them
  // (RFC 9110, 13.2.1).
  if (await store.has(name)) {
    throw new Refusal(405, `/${name} is already stored. Files cannot be replaced.`, {
      Allow: "GET, HEAD",
    });
  }
  if (req.headers["if-match"] !== undefined) throw new Refusal(412, "There is no such file yet.");
  const reservation = await withoutTimeout(req, () =>
    room.usage.reserve({ name, size }, room.quotaBytes, () => store.list()),
  );
  let stored = false;
  try {
    if (expectsContinue) res.writeContinue();
    const stream = untilComplete(req, readBody({ req, res }, pace), size, digests);
    await store.create(name, { stream, size, sha256: digests.sha256 });
    stored = true;
  } finally {
    reservation.release(stored);
  }
  const body = `Stored /${name}\n`;
  res.writeHead(201, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": Buffer.byteLength(body),
  });
  res.end(body);
}

function announcedSize(req: IncomingMessage): number {
  const length = req.headers["content-length"];
  if (req.headers["transfer-encoding"] !== undefined || length === undefined) {
    throw new Refusal(411, "A Content-Length is needed.");
  }
  if (req.headers["content-range"] !== undefined) {
    throw new Refusal(400, "A file is stored whole, not in parts.");
  }
  if (Number(length) > MAX_OBJECT_BYTES) {
    throw new Refusal(413, `A file can have ${MAX_OBJECT_BYTES} bytes at most.`);
  }
  return Number(length);
}

/**
 * The request's content, checked against what is announced beyond the store's own SHA-256; afterwards
 * the socket may be silent while the disk is waited for.
 */
async function* untilComplete(
  req: IncomingMessage,
  batches: AsyncIterable<readonly Uint8Array[]>,
  size: number,
  { sha512 }: AnnouncedDigests,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const hash = sha512 === undefined ? undefined : createHash("sha512");
  let received = 0;
  for await (const batch of batches) {
    for (const piece of batch) {
      received += piece.length;
      hash?.update(piece);
    }
    yield batch;
  }
  if (received !== size) return;
  if (hash !== undefined && hash.digest("hex") !== sha512) {
    throw new Refusal(400, "The content is not what its digest says.");
  }
  req.socket.setTimeout(0);
}
