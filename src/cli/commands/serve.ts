import { once } from "node:events";
import type { Command } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { ServerEvent } from "../../server/server-event.ts";
import { visible } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import type { Output } from "../output.ts";
import { readNamedFile, readSecretFile } from "../secret-file.ts";

interface Flags {
  readonly data: string;
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly behindTlsProxy?: boolean;
}

export function addServe(program: Command, start: Start): void {
  program
    .command("serve")
    .description("Serve the Backup API, with one store for each account.")
    .requiredOption("--data <folder>", "where accounts and backups are kept")
    .option("--listen <host:port>", "the address to listen on", "127.0.0.1:8080")
    .option("--tls-cert <file>", "the certificate, with its chain (PEM)")
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option("--behind-tls-proxy", "speak plain HTTP on any address, for a proxy that does TLS")
    .addHelpText(
      "after",
      `
Examples:
  restbackup serve --data /srv/restbackup
  restbackup serve --data /srv/restbackup --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  restbackup account create --data /srv/restbackup --host backup.example`,
    )
    .action((flags: Flags) => run(start("The server has not been started."), flags));
}

async function run({ output, signal }: Context, flags: Flags): Promise<void> {
  const { data, listen, tlsCert, tlsKey } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new RestbackupError("usage", "--tls-cert and --tls-key belong together: give both.");
  }
  const { createBackupServer } = await import("../../server/server.ts");
  const server = createBackupServer({
    dataDir: data,
    listen,
    ...(tlsCert === undefined || tlsKey === undefined
      ? {}
      : {
          tls: {
            cert: await readNamedFile(tlsCert, "TLS certificate"),
            key: await readSecretFile(tlsKey, "TLS key", output),
          },
        }),
    behindTlsProxy: flags.behindTlsProxy ?? false,
    log: (event) => logEvent(output, event),
  });
  const { url } = await server.listen();
  try {
    await output.result([`Serving ${data} at ${url}`], { url, data });
    if (!signal.aborted) await once(signal, "abort");
    output.notice("Stopping; transfers under way may end.");
  } finally {
    await server.close();
  }
}

function logEvent(output: Output, event: ServerEvent): void {
  const { json, quiet } = output.style;
  if (quiet && event.level !== "error") return;
  const time = new Date().toISOString();
  if (json) {
    output.log(JSON.stringify({ time, ...event }));
    return;
  }
  const { message, method, path, status, username } = event;
  const said = method === undefined ? message : undefined;
  const parts = [event.level === "error" ? `error: ${message}` : said, method, path, status];
  const text = [...parts, username].filter((part) => part !== undefined).join(" ");
  output.log(visible(`${time} ${text}`));
}
