import type { StatsFs } from "node:fs";
import { statfs } from "node:fs/promises";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { VERSION } from "../version.ts";
import type { Exchange } from "./exchanges.ts";
import type { SweepReport, SweptAccount } from "./sweep.ts";

/** What is measured when it is asked for. */
export interface Sources {
  readonly dataDir: string;
  readonly connections: () => number;
}

/** Each account is two series. Of more accounts the ones that store most are told apart. */
const MOST_ACCOUNTS = 100;
const OTHERS = "(others)";
const METHODS = ["GET", "HEAD", "PUT", "POST"];
/** From a refusal to an upload over a slow line. */
const SECONDS = [0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800];

/** What Prometheus is told, under names that begin with `restbackup_`, `process_` and `nodejs_`. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests: Counter<"method" | "status">;
  readonly #seconds: Histogram<"method">;
  readonly #underWay: Gauge<"method">;
  readonly #bytesIn: Counter;
  readonly #bytesOut: Counter;
  readonly #logins: Counter<"result">;
  readonly #errors: Counter;
  readonly #certificateExpires: Gauge;
  readonly #files: Gauge<"account">;
  readonly #bytes: Gauge<"account">;
  readonly #sweeps: Counter<"result">;
  readonly #sweepEnded: Gauge;
  readonly #sweepSeconds: Gauge;
  readonly #deletedFiles: Counter;
  readonly #deletedBytes: Counter;
  readonly #heldBack: Gauge;
  readonly #clockOffset: Gauge;

  constructor({ dataDir, connections }: Sources) {
    const registers = [this.#registry];
    const counter = <T extends string = never>(
      name: string,
      help: string,
      labelNames: readonly T[] = [],
    ) =>
      new Counter<T>({ name: `restbackup_${name}`, help, labelNames: [...labelNames], registers });
    const gauge = <T extends string = never>(
      name: string,
      help: string,
      labelNames: readonly T[] = [],
    ) => new Gauge<T>({ name: `restbackup_${name}`, help, labelNames: [...labelNames], registers });

    this.#requests = counter("requests_total", "Requests, by what became of them.", [
      ...(["method", "status"] as const),
    ]);
    this.#seconds = new Histogram({
      name: "restbackup_request_duration_seconds",
      help: "From a request's header to the end of its answer.",
      labelNames: ["method"],
      buckets: SECONDS,
      registers,
    });
    this.#underWay = gauge("requests_under_way", "Requests that are being answered.", ["method"]);
    this.#bytesIn = counter("received_bytes_total", "Bytes of requests, with their headers.");
    this.#bytesOut = counter("sent_bytes_total", "Bytes of answers, with their headers.");
    this.#logins = counter(
      "failed_logins_total",
      "Logins with a wrong username or password (wrong), or refused after too many of them (refused).",
      ["result"],
    );
    this.#errors = counter("errors_total", "Lines of the log with level error.");
    this.#certificateExpires = gauge(
      "certificate_expiry_timestamp_seconds",
      "When the TLS certificate in use expires.",
    );
    this.#files = gauge("stored_files", "Files of an account, at the last sweep.", ["account"]);
    this.#bytes = gauge("stored_bytes", "Bytes of an account's files, at the last sweep.", [
      "account",
    ]);
    this.#sweeps = counter("sweeps_total", "Sweeps that deleted what has expired.", ["result"]);
    this.#sweepEnded = gauge("sweep_end_timestamp_seconds", "When the last sweep ended.");
    this.#sweepSeconds = gauge("sweep_duration_seconds", "How long the last sweep took.");
    this.#deletedFiles = counter("swept_files_total", "Expired files that were deleted.");
    this.#deletedBytes = counter("swept_bytes_total", "Bytes of expired files that were deleted.");
    this.#heldBack = gauge(
      "held_back_files",
      "Files expired by a clock that is not believed, at the last sweep.",
    );
    this.#clockOffset = gauge(
      "clock_leap_seconds",
      "How far the clock is ahead of what the server knows, while it is not believed; else 0.",
    );
    gauge("build_info", "The version that runs.", ["version"]).set({ version: VERSION }, 1);
    new Gauge({
      name: "restbackup_connections",
      help: "Open connections.",
      registers,
      collect() {
        this.set(connections());
      },
    });
    this.#addDisk(dataDir);
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: 50 });
    for (const method of METHODS) this.#underWay.set({ method }, 0);
    for (const result of ["wrong", "refused"]) this.#logins.inc({ result }, 0);
    for (const result of ["done", "failed"]) this.#sweeps.inc({ result }, 0);
  }

  /** Prometheus's text exposition format, version 0.0.4. */
  async exposition(): Promise<{ readonly contentType: string; readonly text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  requestBegun(method: string): void {
    this.#underWay.inc({ method: known(method) });
  }

  requestEnded({ status, username, ...exchange }: Exchange): void {
    const method = known(exchange.method);
    this.#underWay.dec({ method });
    this.#requests.inc({ method, status: status === undefined ? "none" : String(status) });
    this.#seconds.observe({ method }, exchange.seconds);
    this.#bytesIn.inc(exchange.bytesIn);
    this.#bytesOut.inc(exchange.bytesOut);
    if (!exchange.withCredentials || username !== undefined) return;
    if (status === 401) this.#logins.inc({ result: "wrong" });
    if (status === 429) this.#logins.inc({ result: "refused" });
  }

  errorLogged(): void {
    this.#errors.inc();
  }

  /** `expires` in Unix seconds. */
  certificateTaken(expires: number): void {
    this.#certificateExpires.set(expires);
  }

  swept({ seconds, clock, accounts, failures }: SweepReport): void {
    this.#sweeps.inc({ result: failures.length === 0 ? "done" : "failed" });
    this.#sweepEnded.setToCurrentTime();
    this.#sweepSeconds.set(seconds);
    this.#clockOffset.set(clock?.leap?.offset ?? 0);
    const total = (part: (account: SweptAccount) => number) =>
      accounts.reduce((sum, account) => sum + part(account), 0);
    this.#deletedFiles.inc(total(({ deleted }) => deleted.files));
    this.#deletedBytes.inc(total(({ deleted }) => deleted.bytes));
    this.#heldBack.set(total(({ heldBack }) => heldBack.files));
    this.#files.reset();
    this.#bytes.reset();
    const biggest = accounts.toSorted((a, b) => b.kept.bytes - a.kept.bytes);
    biggest.forEach(({ username, kept }, index) => {
      const account = index < MOST_ACCOUNTS ? username : OTHERS;
      this.#files.inc({ account }, kept.files);
      this.#bytes.inc({ account }, kept.bytes);
    });
  }

  #addDisk(dataDir: string): void {
    const registers = [this.#registry];
    const disk = <K extends string>(name: string, help: string, read: (stats: StatsFs) => number) =>
      new Gauge<K>({
        name: `restbackup_disk_${name}`,
        help,
        registers,
        async collect() {
          // Without an answer there is no number rather than a wrong one.
          const stats = await statfs(dataDir).catch(() => undefined);
          if (stats === undefined) this.reset();
          else this.set(read(stats));
        },
      });
    disk("size_bytes", "Of the file system of the data folder.", (s) => s.blocks * s.bsize);
    disk("free_bytes", "Of it, what the server may use.", (s) => s.bavail * s.bsize);
    disk("free_files", "How many files can be made there.", (s) => s.ffree);
  }
}

/** Clients may send any word as a method; not each is to be a series. */
function known(method: string): string {
  return METHODS.includes(method) ? method : "other";
}
