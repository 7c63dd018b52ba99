import type { IncomingMessage, ServerResponse } from "node:http";
import type { Store, StoredEntry } from "../stores/store.ts";
import type { Account } from "./accounts.ts";
import { deletetimeOf, sendListing } from "./listing.ts";
import { prefersHtml } from "./negotiation.ts";
import { originOf } from "./origin.ts";
import { sendPage } from "./page.ts";
import { backupsPage } from "./page-backups.ts";
import { type Cursor, gatherPage } from "./page-content.ts";
import { Refusal } from "./refusal.ts";
import { withoutTimeout } from "./socket-timeout.ts";
import { Turns } from "./turns.ts";

/** One page takes up to 100 MB for a moment where there are very many files, so it is one at a time. */
const turns = new Turns({ atOnce: 1, mostWaiting: 32, tooMany: "Too many pages are asked for." });

export interface BackupsView {
  readonly account: Account;
  readonly store: Store;
  /** The request's query: `?before=…`, or nothing. */
  readonly query: string;
  readonly behindTlsProxy: boolean;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** When the session ends by itself, in Unix seconds; undefined when credentials were given. */
  readonly expires?: number;
}

/** Answers `GET /` and `HEAD /`, also a session's: a page for browsers, JSON for all others. */
export async function sendBackups(
  req: IncomingMessage,
  res: ServerResponse,
  { account, store, query, behindTlsProxy, clock, expires }: BackupsView,
): Promise<void> {
  res.setHeader("Vary", "Accept");
  if (!prefersHtml(req.headers.accept)) {
    await sendListing(req, res, account, store.list());
    return;
  }
  const before = new URLSearchParams(query).get("before");
  const after = before === null ? undefined : parseCursor(before);
  const content = await withoutTimeout(req, () =>
    turns.take(async () => {
      if (req.socket.destroyed) throw new Refusal(503, "Nobody waits for the page any more.");
      return await gatherPage(() => withDeletetimes(store.list(), account), after);
    }),
  );
  const html = backupsPage({
    content,
    continued: before !== null,
    origin: originOf(req, behindTlsProxy),
    username: account.username,
    retentionDays: account.retentionDays,
    now: Math.floor(clock() / 1000),
    expires,
  });
  sendPage(req, res, 200, html);
}

async function* withDeletetimes(
  entries: AsyncIterable<StoredEntry>,
  account: Account,
): AsyncGenerator<StoredEntry, void, undefined> {
  for await (const entry of entries) {
    yield { ...entry, deletetime: deletetimeOf(entry.createtime, account) };
  }
}

/** `1274439603/NAME`, as the page's own links have it. */
function parseCursor(text: string): Cursor {
  const [, createtime, entry] = /^(\d{1,15})\/(.*)$/s.exec(text) ?? [];
  if (createtime === undefined || entry === undefined) {
    throw new Refusal(400, "There is no such page. Go back to the newest backups.");
  }
  return { createtime: Number(createtime), entry };
}
