import { once } from "node:events";
import { type Command, Option } from "commander";
import { RestbackupError } from "../../errors.ts";
import type { LogFormat } from "../../server/logging.ts";
import type { ServerEvent } from "../../server/server-event.ts";
import type { Context, Start } from "../context.ts";
import { startOverWithOneArena } from "../one-arena.ts";
import type { Output } from "../output.ts";
import { readNamedFile, readSecretFile } from "../secret-file.ts";

interface Flags {
  readonly data: string;
  readonly listen: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly behindTlsProxy?: boolean;
  readonly metrics?: string;
  readonly logFormat?: LogFormat;
  readonly shutdownGrace: string;
  readonly maxConnections: string;
}

export function addServe(program: Command, start: Start): void {
  program
    .command("serve")
    .description("Serve the Backup API, with one store for each account.")
    .requiredOption("--data <folder>", "where accounts and backups are kept")
    .option("--listen <host:port>", "the address to listen on", "127.0.0.1:8080")
    .option(
      "--tls-cert <file>",
      "the certificate, with its chain (PEM); read again when it changes",
    )
    .option("--tls-key <file>", "the certificate's key (PEM)")
    .option(
      "--behind-tls-proxy",
      "a proxy in front does TLS: speak plain HTTP on any address, and believe its X-Forwarded-For",
    )
    .option("--metrics <host:port>", "also serve /metrics, /healthz and /readyz there")
    .addOption(
      new Option(
        "--log-format <format>",
        "a line for each request on stderr; by default text at a terminal, else json",
      ).choices(["text", "json"]),
    )
    .option("--shutdown-grace <seconds>", "how long requests under way may take to end", "60")
    .option("--max-connections <number>", "how many connections may be open", "1000")
    .addHelpText(
      "after",
      `
SIGTERM stops the server, a second one at once. SIGHUP reads the certificate again.

Examples:
  restbackup serve --data /srv/restbackup
  restbackup serve --data /srv/restbackup --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  restbackup account create --data /srv/restbackup --host backup.example`,
    )
    .action((flags: Flags) => run(start("The server has not been started."), flags));
}

async function run({ output, signal, onHangup }: Context, flags: Flags): Promise<void> {
  const { data, listen, metrics } = flags;
  const tls = await keyPairFiles(flags, output);
  const limits = {
    shutdownGrace: 1000 * wholeNumber(flags.shutdownGrace, "--shutdown-grace", 0, 86_400),
    connections: wholeNumber(flags.maxConnections, "--max-connections", 1, 1_000_000),
  };
  startOverWithOneArena();
  const [{ createBackupServer }, { collectOften }] = await Promise.all([
    import("../../server/server.ts"),
    import("../../server/collect-often.ts"),
  ]);
  // Once all is loaded, which would take longer after it.
  collectOften();
  const server = createBackupServer({
    dataDir: data,
    listen,
    ...(tls === undefined ? {} : { tls }),
    behindTlsProxy: flags.behindTlsProxy ?? false,
    ...(metrics === undefined ? {} : { metrics }),
    limits,
    log: await logTo(output, flags.logFormat),
  });
  onHangup(() => void server.reload());
  const { url, metricsUrl } = await server.listen();
  try {
    await output.result(
      [
        `Serving ${data} at ${url}`,
        ...(metricsUrl === undefined ? [] : [`Metrics and health at ${metricsUrl}`]),
      ],
      { url, data, metricsUrl },
    );
    if (!signal.aborted) await once(signal, "abort");
    output.notice("Stopping; transfers under way may end.");
  } finally {
    await server.close();
  }
}

/** Throws `usage` where one is missing or cannot be read, before anything is started. */
async function keyPairFiles({ tlsCert, tlsKey }: Flags, output: Output) {
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new RestbackupError("usage", "--tls-cert and --tls-key belong together: give both.");
  }
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  await readNamedFile(tlsCert, "TLS certificate");
  await readSecretFile(tlsKey, "TLS key", output);
  return { certFile: tlsCert, keyFile: tlsKey };
}

function wholeNumber(text: string, option: string, least: number, most: number): number {
  const number = Number(text);
  if (/^\d{1,9}$/.test(text) && number >= least && number <= most) return number;
  throw new RestbackupError("usage", `${option} must be a whole number from ${least} to ${most}.`);
}

async function logTo(output: Output, format: LogFormat | undefined) {
  const { json, quiet } = output.style;
  const { createLog } = await import("../../server/logging.ts");
  const usual = json || process.stderr.isTTY !== true ? "json" : "text";
  const log = createLog(format ?? usual, (line) => output.log(line));
  return (event: ServerEvent) => {
    if (!quiet || event.level === "error") log(event);
  };
}
