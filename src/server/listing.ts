import type { IncomingMessage, ServerResponse } from "node:http";
import type { StoredEntry } from "../stores/store.ts";
import type { Account } from "./accounts.ts";
import { sendPieces } from "./sending.ts";

const PIECE_CHARACTERS = 64 * 1024;
/** Listings up to this many characters carry a length: some clients cannot read chunks. */
const BUFFERED_CHARACTERS = 1024 * 1024;
const SECONDS_PER_DAY = 86_400;

/** Answers `GET /` and `HEAD /`: a JSON array, one line for each entry. */
export async function sendListing(
  req: IncomingMessage,
  res: ServerResponse,
  account: Account,
  entries: AsyncIterable<StoredEntry>,
): Promise<void> {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store, private" };
  if (req.method === "HEAD") {
    res.writeHead(200, headers).end();
    return;
  }
  const pieces = listingText(account, entries);
  let beginning = "";
  for (;;) {
    const next = await pieces.next();
    if (next.done === true) {
      res.writeHead(200, { ...headers, "Content-Length": Buffer.byteLength(beginning) });
      res.end(beginning);
      return;
    }
    beginning += next.value;
    if (beginning.length > BUFFERED_CHARACTERS) break;
  }
  res.writeHead(200, headers);
  res.write(beginning);
  await sendPieces(res, pieces);
}

async function* listingText(
  account: Account,
  entries: AsyncIterable<StoredEntry>,
): AsyncGenerator<string, void, undefined> {
  let text = "[";
  let separator = "";
  for await (const entry of entries) {
    text += separator + JSON.stringify(describe(entry, account));
    separator = ",\n";
    if (text.length >= PIECE_CHARACTERS) {
      yield text;
      text = "";
    }
  }
  yield `${text}]\n`;
}

/** When an entry expires (`backup-api.md`, "Retention"). Unix seconds. */
export function deletetimeOf(
  createtime: number,
  { retentionDays }: Pick<Account, "retentionDays">,
): number {
  return createtime + retentionDays * SECONDS_PER_DAY;
}

/** `backup-api.md`, parts 1 and 2. */
function describe({ name, size, createtime }: StoredEntry, account: Account) {
  return {
    name: `/${name}`,
    size,
    createtime,
    deletetime: deletetimeOf(createtime, account),
    date: `${new Date(createtime * 1000).toISOString().slice(0, 19)}Z`,
  };
}
