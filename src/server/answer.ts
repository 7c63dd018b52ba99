import type { IncomingMessage, ServerResponse } from "node:http";
import { decodeObjectPath } from "../stores/object-name.ts";
import type { Account, Accounts } from "./accounts.ts";
import { sendBackups } from "./backups.ts";
import { parseBasic } from "./basic-authentication.ts";
import { addressGroup, clientAddress } from "./client-address.ts";
import type { Pace } from "./limits.ts";
import { receiveObject, sendObject } from "./objects.ts";
import type { LoginLimiter } from "./rate-limit.ts";
import { Refusal, refusalOf, sendRefusal } from "./refusal.ts";
import { checkRequest } from "./request-checks.ts";
import { loggablePath, parseSessionPath, pathOf } from "./request-path.ts";
import type { ServerEvent } from "./server-event.ts";
import { answerInSession, makeSession, openSession } from "./session-requests.ts";
import type { Sessions } from "./sessions.ts";

/** What answering takes. */
export interface Services {
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  /** Whether a proxy in front of the server does TLS, and its word on that is taken. */
  readonly behindTlsProxy: boolean;
  readonly logins: LoginLimiter;
  /** How fast content has to come. */
  readonly pace: Pace;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  readonly log: (event: ServerEvent) => void;
}

/** Answers one request, whatever happens. Gives the username whose request it was, if any's. */
export async function answer(
  services: Services,
  req: IncomingMessage,
  res: ServerResponse,
  expectsContinue: boolean,
): Promise<string | undefined> {
  let username: string | undefined;
  // A client that goes away makes these emit errors, which the reading and writing below also see.
  req.on("error", () => {});
  res.on("error", () => {});
  setHeadersForBrowsers(res);
  try {
    checkRequest(req);
    const inSession = parseSessionPath(pathOf(req));
    if (inSession === undefined) {
      const account = await authenticate(services, req);
      username = account.username;
      await route(services, account, req, res, expectsContinue);
    } else {
      const session = await openSession(req, services.sessions, inSession);
      username = session.account.username;
      await answerInSession(req, res, session, inSession, { ...services, expectsContinue });
    }
  } catch (error) {
    const refusal = refusalOf(error);
    const clientGone = res.destroyed || req.socket.destroyed;
    if (refusal.status === 500 && !clientGone) {
      const message = error instanceof Error ? error.message : String(error);
      const requestId = String(res.getHeader("X-Request-Id") ?? "") || undefined;
      const { method } = req;
      services.log({
        ...{ level: "error", message, method, path: loggablePath(req), username, requestId },
      });
    }
    // After the header has gone out only a broken connection can say that something failed.
    if (res.headersSent || clientGone) res.destroy();
    else sendRefusal(req, res, refusal);
  }
  return username;
}

/** A session's url must not travel in `Referer`, and what is stored here is nobody's script. */
function setHeadersForBrowsers(res: ServerResponse): void {
  res.setHeader("Referrer-Policy", "no-referrer");
  res.setHeader("X-Content-Type-Options", "nosniff");
  res.setHeader("Cross-Origin-Resource-Policy", "same-origin");
}

async function authenticate(
  { accounts, logins, behindTlsProxy }: Services,
  req: IncomingMessage,
): Promise<Account> {
  const credentials = parseBasic(req.headers.authorization);
  if (credentials !== undefined) {
    const address = addressGroup(clientAddress(req, behindTlsProxy));
    const account = await logins.attempt(address, credentials.username, (guess) =>
      accounts.verify(credentials, guess),
    );
    if (account !== undefined) return account;
  }
  throw new Refusal(401, "The username or password is wrong.", {
    "WWW-Authenticate": 'Basic realm="restbackup", charset="UTF-8"',
  });
}

async function route(
  { accounts, sessions, behindTlsProxy, clock, pace }: Services,
  account: Account,
  req: IncomingMessage,
  res: ServerResponse,
  expectsContinue: boolean,
): Promise<void> {
  const { method } = req;
  const path = pathOf(req);
  const reads = method === "GET" || method === "HEAD";
  if (path === "/" || path.startsWith("/?")) {
    if (method === "POST") {
      await makeSession(req, res, account, sessions, { behindTlsProxy, expectsContinue, pace });
      return;
    }
    if (!reads)
      throw new Refusal(405, "GET, HEAD and POST work here.", { Allow: "GET, HEAD, POST" });
    const store = await accounts.storeOf(account);
    const query = path.slice(1);
    await sendBackups(req, res, { account, store, query, behindTlsProxy, clock });
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
  else {
    const { quotaBytes } = account;
    const room = { usage: accounts.usageOf(account), quotaBytes };
    await receiveObject(req, res, store, name, { expectsContinue, room, pace });
  }
}
