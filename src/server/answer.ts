import type { IncomingMessage, ServerResponse } from "node:http";
import { decodeObjectPath } from "../stores/object-name.ts";
import type { Account, Accounts } from "./accounts.ts";
import { parseBasic } from "./basic-authentication.ts";
import { sendListing } from "./listing.ts";
import { receiveObject, sendObject } from "./objects.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import type { ServerEvent } from "./server-event.ts";

/** Answers one request, whatever happens. */
export async function answer(
  accounts: Accounts,
  log: (event: ServerEvent) => void,
  req: IncomingMessage,
  res: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  let username: string | undefined;
  // A client that goes away makes these emit errors, which the reading and writing below also see.
  req.on("error", () => {});
  res.on("error", () => {});
  try {
    const account = await authenticate(accounts, req);
    username = account.username;
    await route(accounts, account, req, res, expectsContinue);
  } catch (error) {
    const refusal = refusalOf(error);
    const clientGone = res.destroyed || req.socket.destroyed;
    if (refusal.status === 500 && !clientGone) {
      const message = error instanceof Error ? error.message : String(error);
      log({ level: "error", message, method: req.method, path: req.url, username });
    }
    // After the header has gone out only a broken connection can say that something failed.
    if (res.headersSent || clientGone) res.destroy();
    else sendRefusal(req, res, refusal);
  }
  const { statusCode: status } = res;
  log({ level: "info", message: "answered", method: req.method, path: req.url, status, username });
}

async function authenticate(accounts: Accounts, req: IncomingMessage): Promise<Account> {
  const credentials = parseBasic(req.headers.authorization);
  const account = credentials === undefined ? undefined : await accounts.verify(credentials);
  if (account !== undefined) return account;
  throw new Refusal(401, "The username or password is wrong.", {
    "WWW-Authenticate": 'Basic realm="restbackup", charset="UTF-8"',
  });
}

async function route(
  accounts: Accounts,
  account: Account,
  req: IncomingMessage,
  res: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  const { method } = req;
  const path = pathOf(req);
  const reads = method === "GET" || method === "HEAD";
  if (path === "/" || path.startsWith("/?")) {
    if (!reads) throw new Refusal(405, "Only GET and HEAD work here.", { Allow: "GET, HEAD" });
    const store = await accounts.storeOf(account);
    await sendListing(req, res, account, store.list());
    return;
  }
  if (!reads && method !== "PUT") {
    throw new Refusal(405, "Files can be put and read. They are kept until they expire.", {
      Allow: "GET, HEAD, PUT",
    });
  }
  const name = decodeObjectPath(path);
  const store = await accounts.storeOf(account);
  if (reads) await sendObject(req, res, store, name);
  else await receiveObject(req, res, store, name, expectsContinue);
}

/** The target's path; a proxy may send it in absolute form (RFC 9112, 3.2.2). */
function pathOf(req: IncomingMessage): string {
  return (req.url ?? "").replace(/^https?:\/\/[^/?]*/i, "");
}
