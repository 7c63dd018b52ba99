import { connect } from "node:net";
import type { TestServer } from "../../support/server.ts";
import { authorization } from "./raw.ts";
import { Seeded } from "./seeded.ts";

export interface FuzzOptions {
  readonly seed: string;
  readonly requests: number;
  /** Connections that are used at the same time. */
  readonly atOnce: number;
}

/** How often each status was answered; what was closed without an answer counts as 0. */
export type FuzzOutcome = ReadonlyMap<number, number>;

/** Another address than the one of clients that are honest. */
const FROM = "127.0.0.2";

/** So long after the last byte the few connections are closed on which nothing says it is over. */
const PATIENCE = 150;

/**
 * Sends requests that are malformed in ways drawn from a seed, over raw sockets, several to a
 * connection, some cut off in the middle.
 */
export async function fuzz(server: TestServer, options: FuzzOptions): Promise<FuzzOutcome> {
  const statuses = new Map<number, number>();
  let left = options.requests;
  const work = async (worker: number) => {
    const random = new Seeded(`${options.seed} ${worker}`);
    while (left > 0) {
      const burst = Math.min(left, random.pick([1, 2, 3, 6]));
      left -= burst;
      const requests = Array.from({ length: burst }, (_, index) => {
        const closing = index === burst - 1 ? "Connection: close\r\n" : "";
        return malformed(random, authorization(server), closing);
      });
      const reply = await converse(server.port, Buffer.concat(requests), random);
      const found = [...reply.matchAll(/(?:^|\n)HTTP\/1\.1 ([2-5]\d\d) /g)].map(([, status]) =>
        Number(status),
      );
      for (const status of found.length === 0 ? [0] : found) {
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, (_, worker) => work(worker)));
  return statuses;
}

/** Sends bytes in one or more pieces, and gives what comes until nothing more does. */
async function converse(port: number, bytes: Buffer, random: Seeded): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", localAddress: FROM, noDelay: true });
  let reply = "";
  socket.setEncoding("latin1").on("data", (text: string) => {
    reply += text;
  });
  socket.on("error", () => {});
  const cut = random.below(8) === 0 ? random.below(bytes.length) : bytes.length;
  const middle = random.below(cut + 1);
  socket.write(bytes.subarray(0, middle));
  if (random.below(10) === 0) await new Promise((resolve) => setImmediate(resolve));
  socket.write(bytes.subarray(middle, cut));
  if (random.below(10) === 0 || cut < bytes.length) socket.end();
  socket.setTimeout(PATIENCE, () => socket.destroy());
  if (!socket.closed) await new Promise((resolve) => socket.once("close", resolve));
  return reply;
}

/** A well-formed request with one thing or more done to it. */
function malformed(random: Seeded, authorizationField: string, closing: string): Buffer {
  const body = Buffer.from("x".repeat(random.below(40)));
  const request = {
    method: random.pick(["GET", "GET", "HEAD", "PUT", "PUT", "POST", "DELETE", "OPTIONS"]),
    path: random.pick(["/", "/", "/fuzz", "/fuzz", "/session/x/", `/fuzz-${random.below(1000)}`]),
    version: "HTTP/1.1",
    fields: [
      "Host: x\r\n",
      ...(random.below(3) === 0 ? [] : [authorizationField]),
      `Content-Length: ${body.length}\r\n`,
      closing,
    ],
    end: "\r\n",
  };
  const times = random.pick([1, 1, 1, 2, 4]);
  for (let index = 0; index < times; index += 1) spoil(request, random);
  const { method, path, version, fields, end } = request;
  const head = Buffer.from(`${method} ${path} ${version}\r\n${fields.join("")}${end}`, "latin1");
  const bytes = Buffer.concat([head, body]);
  const credentials = bytes.indexOf(authorizationField);
  // Some get bytes that nobody meant.
  for (let flips = random.pick([0, 0, 0, 1, 5]); flips > 0; flips -= 1) {
    const at = random.below(bytes.length);
    // Not the credentials: wrong ones would soon be all that is seen of what is sent.
    if (at < credentials || at >= credentials + authorizationField.length) {
      bytes[at] = random.below(256);
    }
  }
  return bytes;
}

interface Spoiled {
  method: string;
  path: string;
  version: string;
  fields: string[];
  end: string;
}

function spoil(request: Spoiled, random: Seeded): void {
  random.pick<(request: Spoiled, random: Seeded) => void>([
    spoilMethod,
    spoilPath,
    spoilPath,
    spoilVersion,
    spoilLength,
    addField,
    addField,
    addField,
    addField,
    addBadField,
    spoilFields,
  ])(request, random);
}

function spoilMethod(request: Spoiled, random: Seeded): void {
  request.method = random.pick([
    "get",
    "CONNECT",
    "TRACE",
    "",
    "G\0T",
    "PRI",
    "M".repeat(300),
    "?",
  ]);
}

function spoilPath(request: Spoiled, random: Seeded): void {
  request.path = random.pick([
    ...["*", "", "//", "/..", "/%2e%2e/x", "/%00", "/%c0%af", "/%", "/%zz", "/a%2fb", "/a?b#c"],
    ...[
      "http://x/fuzz",
      "http://",
      "x:443",
      "/\xff",
      "/\t",
      "/a b",
      "/\\..\\",
      "/session/",
      "/?before=1/",
    ],
    ...[
      `/${"a".repeat(2000)}`,
      `/${"%61".repeat(400)}`,
      `/${"a/".repeat(600)}`,
      `/${noise(random, 12)}`,
    ],
  ]);
}

function spoilVersion(request: Spoiled, random: Seeded): void {
  request.version = random.pick(["HTTP/0.9", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "", "http/1.1"]);
}

function spoilLength(request: Spoiled, random: Seeded): void {
  const length = random.pick([
    "-1",
    "+5",
    "5, 5",
    "0x5",
    "1e3",
    "",
    "99999999999999999999",
    "6000",
  ]);
  request.fields = request.fields.filter((field) => !field.startsWith("Content-Length"));
  request.fields.push(`Content-Length: ${length}\r\n`);
}

/** A field that can be read, and may hold nonsense. */
function addField(request: Spoiled, random: Seeded): void {
  const value = random.pick([noise(random, 20), "", "*", '"', "bytes=0-", "9".repeat(400)]);
  const readable = value.replaceAll(/[^ -~\x80-\xff]/g, "");
  insert(request, random, `${fieldName(random)}: ${readable}\r\n`);
}

/** A field that breaks the header, or what comes after it. */
function addBadField(request: Spoiled, random: Seeded): void {
  const name = fieldName(random);
  const line = random.pick([
    `${name}: ${noise(random, 20)}\r\n`,
    `${name}:\n`,
    `${name} : x\r\n`,
    `${name}: a\r\n b\r\n`,
    "Transfer-Encoding: chunked\r\n",
    "Expect: 100-continue\r\n",
    "Authorization: Basic !!!\r\n",
    `X: ${"y".repeat(random.below(40_000))}\r\n`,
  ]);
  insert(request, random, line);
}

function fieldName(random: Seeded): string {
  return random.pick([
    ...[
      "Range",
      "If-Range",
      "If-Match",
      "If-None-Match",
      "If-Modified-Since",
      "If-Unmodified-Since",
    ],
    ...["Accept", "Repr-Digest", "Content-Digest", "Want-Repr-Digest", "X-HTTP-Method-Override"],
    ...["Connection", "Upgrade", "Expect", "Content-Range", "Content-Type", "Cookie", "Host"],
    ...["Content-Length", "Transfer-Encoding", noise(random, 5)],
  ]);
}

function insert({ fields }: Spoiled, random: Seeded, line: string): void {
  fields.splice(random.below(fields.length + 1), 0, line);
}

function spoilFields(request: Spoiled, random: Seeded): void {
  if (random.below(2) === 0) request.fields.splice(random.below(request.fields.length), 1);
  else request.end = random.pick(["", "\n", "\r", "\r\n\r\n", noise(random, 8)]);
}

function noise(random: Seeded, length: number): string {
  return String.fromCharCode(...Array.from({ length }, () => random.below(256)));
}
