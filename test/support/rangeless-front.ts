import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { pipeline, Transform } from "node:stream";

export interface RangelessFront {
  /** `METHOD /path` of each request. */
  readonly requests: string[];
  /** The same url, through this front. */
  through(url: string): string;
  close(): Promise<void>;
}

/**
 * An HTTP server in front of another that knows nothing of ranges: requests for a part are answered
 * with 200 and the whole (RFC 9110, 14.2), and nothing says that it could be otherwise. `spoil` may
 * change pieces of bodies that pass.
 */
export async function startRangelessFront(
  targetPort: number,
  spoil?: (piece: Buffer, path: string) => Buffer,
): Promise<RangelessFront> {
  const requests: string[] = [];
  const server = createServer((asked, answer) => {
    const { method = "GET", url = "/" } = asked;
    requests.push(`${method} ${url}`);
    const { range: _, "if-range": __, ...headers } = asked.headers;
    const onward = request({ port: targetPort, host: "127.0.0.1", method, path: url, headers });
    onward.on("response", (given) => {
      const { "accept-ranges": ___, ...fields } = given.headers;
      answer.writeHead(given.statusCode!, fields);
      pipeline(
        given,
        passing((piece) => spoil?.(piece, url) ?? piece),
        answer,
        () => {},
      );
    });
    onward.on("error", () => answer.destroy());
    answer.on("close", () => onward.destroy());
    asked.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    requests,
    through: (url) => url.replace(/(@|:\/\/)(127\.0\.0\.1|localhost):\d+/, `$1$2:${port}`),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

function passing(change: (piece: Buffer) => Buffer): Transform {
  return new Transform({ transform: (piece, _, done) => done(null, change(piece)) });
}
