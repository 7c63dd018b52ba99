import { constants } from "node:os";
import { RestbackupError } from "../errors.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Turns the first signal to stop into an aborted AbortSignal, so that the work under way can clear
 * up after itself. A second one ends the process at once.
 */
export class Interruption {
  readonly #controller = new AbortController();
  #received: (typeof SIGNALS)[number] | undefined;
  #onHangup: (() => void) | undefined;

  constructor() {
    for (const signal of SIGNALS) process.on(signal, () => this.#receive(signal));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /**
   * From now on SIGHUP asks for something else than to stop, as it does of services; not at a
   * terminal, where it says that the terminal is gone.
   */
  onHangup(listener: () => void): void {
    if (process.stdin.isTTY !== true) this.#onHangup = listener;
  }

  /** As a shell reports a death by signal: 128 and its number. Undefined when there was none. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : 128 + constants.signals[this.#received];
  }

  #receive(signal: (typeof SIGNALS)[number]): void {
    if (signal === "SIGHUP" && this.#onHangup !== undefined) {
      this.#onHangup();
      return;
    }
    if (this.#received !== undefined) process.exit(this.exitCode);
    this.#received = signal;
    this.#controller.abort(new RestbackupError("aborted", `Stopped by ${signal}.`));
  }
}
