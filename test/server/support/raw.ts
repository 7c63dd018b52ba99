import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { TestServer } from "../../support/server.ts";

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** The field that holds an account's credentials, with its line end. */
export function authorization({ username, password }: Pick<TestServer, "username" | "password">) {
  return `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString("base64")}\r\n`;
}

/** A connection that says nothing yet. */
export async function openConnection(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** Everything that comes on a connection until the server closes it; rejects when it does not. */
export async function readToEnd(socket: Socket, milliseconds = 10_000): Promise<Buffer> {
  const pieces: Buffer[] = [];
  socket.on("data", (piece: Buffer) => pieces.push(piece));
  if (!socket.closed) {
    const ended = new Promise<void>((resolve) => {
      socket.once("end", resolve).once("close", resolve);
    });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`Not closed; so far: ${Buffer.concat(pieces).toString("latin1")}`)),
        milliseconds,
      );
    });
    await Promise.race([ended, late]).finally(() => {
      clearTimeout(timer);
      socket.destroy();
    });
  }
  return Buffer.concat(pieces);
}

/** Sends bytes (text: one character a byte), and gives the answers until the server closes. */
export async function exchange(
  port: number,
  bytes: string | Buffer,
  methods: readonly string[] = [],
): Promise<RawAnswer[]> {
  const socket = await openConnection(port);
  socket.write(typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes);
  return parseAnswers(await readToEnd(socket), methods);
}

/** Takes answers apart. `methods` are those of the requests: what answers HEAD has no content. */
export function parseAnswers(bytes: Buffer, methods: readonly string[] = []): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = bytes;
  while (rest.length > 0) {
    const end = rest.indexOf("\r\n\r\n");
    if (end < 0) throw new Error(`No answer: ${rest.subarray(0, 200).toString("latin1")}`);
    const [statusLine = "", ...lines] = rest.subarray(0, end).toString("latin1").split("\r\n");
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1]);
    if (Number.isNaN(status)) throw new Error(`No status line: ${statusLine.slice(0, 200)}`);
    const headers = Object.fromEntries(
      lines.map((line) => {
        const colon = line.indexOf(":");
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const empty = methods[answers.length] === "HEAD" || status === 304 || status === 204;
    const length = empty || status < 200 ? 0 : Number(headers["content-length"]);
    const body = rest.subarray(end + 4, end + 4 + length);
    if (body.length !== length) throw new Error(`${body.length} of ${length} bytes came.`);
    rest = rest.subarray(end + 4 + length);
    if (status >= 200) answers.push({ status, headers, body });
  }
  return answers;
}
