import type { IncomingMessage, ServerResponse } from "node:http";
import { decodeObjectPath } from "../stores/object-name.ts";
import type { Account, Accounts } from "./accounts.ts";
import { sendBackups } from "./backups.ts";
import { readBody } from "./body.ts";
import type { Pace } from "./limits.ts";
import { prefersHtml } from "./negotiation.ts";
import { sendObject } from "./objects.ts";
import { originOf } from "./origin.ts";
import { momentInWords } from "./page-text.ts";
import { Refusal } from "./refusal.ts";
import type { SessionPath } from "./request-path.ts";
import type { LiveSession, Sessions } from "./sessions.ts";

/** What a form or a client that cannot send a method asks for instead of POST. */
const OVERRIDE = "x-http-method-override";
const MAX_BODY_BYTES = 16 * 1024;

/** How a request's content is taken. */
interface BodyOptions {
  readonly expectsContinue: boolean;
  readonly pace: Pace;
}

/** Answers `POST /`, which can make a session (`backup-api.md`, part 1). */
export async function makeSession(
  req: IncomingMessage,
  res: ServerResponse,
  account: Account,
  sessions: Sessions,
  options: BodyOptions & { readonly behindTlsProxy: boolean },
): Promise<void> {
  if ((await readOverride(req, res, options)) !== "MAKESESSION") {
    throw new Refusal(405, "POST works here with X-HTTP-Method-Override: MAKESESSION only.", {
      Allow: "GET, HEAD, POST",
    });
  }
  const origin = originOf(req, options.behindTlsProxy);
  const token = await sessions.make(account);
  res.writeHead(204, {
    Location: `${origin}/session/${token}/`,
    "Cache-Control": "no-store, private",
  });
  res.end();
}

/**
 * The session a url stands for. Throws refusals: 405 for what no session allows, 404 for no session,
 * 410 for one that is over.
 */
export async function openSession(
  { method = "" }: IncomingMessage,
  sessions: Sessions,
  { token, rest }: SessionPath,
): Promise<LiveSession> {
  const allowed = isPage(rest) ? ["GET", "HEAD", "POST"] : ["GET", "HEAD"];
  if (!allowed.includes(method)) {
    throw new Refusal(405, "A session is for reading only.", { Allow: allowed.join(", ") });
  }
  const session = await sessions.find(token);
  switch (session.state) {
    case "live":
      return session;
    case "expired":
      throw new Refusal(
        410,
        `This session expired on ${momentInWords(session.since)} UTC: a session works for 24 hours. ` +
          "Whoever has the access url can make a new one.",
      );
    case "ended":
      throw new Refusal(
        410,
        "This session was ended. Whoever has the access url can make a new one.",
      );
    case "unknown":
      throw new Refusal(404, "There is no such session.");
  }
}

/** Answers a request to a session's url: reading, and ending the session. */
export async function answerInSession(
  req: IncomingMessage,
  res: ServerResponse,
  session: LiveSession,
  { token, rest }: SessionPath,
  services: BodyOptions & {
    readonly accounts: Accounts;
    readonly sessions: Sessions;
    readonly behindTlsProxy: boolean;
    readonly clock: () => number;
  },
): Promise<void> {
  const { accounts, sessions, behindTlsProxy, clock } = services;
  if (req.method === "POST") {
    if ((await readOverride(req, res, services)) !== "ENDSESSION") {
      throw new Refusal(405, "POST can only end the session here.", { Allow: "GET, HEAD, POST" });
    }
    await sessions.end(token);
    // A browser goes on to the page that says so.
    const status = prefersHtml(req.headers.accept) ? 303 : 204;
    res.writeHead(status, status === 303 ? { Location: "./", "Content-Length": 0 } : {}).end();
    return;
  }
  if (!rest.startsWith("/")) {
    // Links on the page are relative, and need the slash.
    res.writeHead(308, { Location: `/session/${token}/${rest}`, "Content-Length": 0 }).end();
    return;
  }
  const store = await accounts.storeOf(session.account);
  if (isPage(rest)) {
    const { account, expires } = session;
    const query = rest.slice(1);
    await sendBackups(req, res, { account, store, query, behindTlsProxy, clock, expires });
  } else {
    await sendObject(req, res, store, decodeObjectPath(rest));
  }
}

function isPage(rest: string): boolean {
  return /^\/?(?:\?.*)?$/s.test(rest);
}

/** What a POST asks for: by its header, or, as a form can, by a field in its body. */
async function readOverride(
  req: IncomingMessage,
  res: ServerResponse,
  { expectsContinue, pace }: BodyOptions,
): Promise<string | undefined> {
  if (Number(req.headers["content-length"] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  if (expectsContinue) res.writeContinue();
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const batch of readBody({ req, res }, pace)) {
    const joined = Buffer.concat(batch);
    bytes += joined.length;
    if (bytes > MAX_BODY_BYTES) throw tooLarge();
    pieces.push(joined);
  }
  const header = req.headers[OVERRIDE];
  if (header !== undefined) return String(header).trim().toUpperCase();
  const isForm = /^application\/x-www-form-urlencoded\b/i.test(req.headers["content-type"] ?? "");
  if (!isForm) return undefined;
  return new URLSearchParams(Buffer.concat(pieces).toString()).get(OVERRIDE) ?? undefined;
}

function tooLarge(): Refusal {
  return new Refusal(413, `A POST can have ${MAX_BODY_BYTES} bytes at most.`);
}
