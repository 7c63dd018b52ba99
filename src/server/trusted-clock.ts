import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { uptime } from "node:os";
import { join } from "node:path";
import {
  acceptedState,
  type ClockSight,
  type ClockState,
  CONFIRMATION,
  horizonOf,
  initialState,
  observe,
  timeToStamp,
} from "./clock-guard.ts";
import { checkDataFolder, replaceJson, withDataLock } from "./data-folder.ts";

/** What the clock is worth at this moment. Unix seconds. */
export interface ClockReading {
  readonly wall: number;
  /** What would have expired before this may be deleted. */
  readonly horizon: number;
  /** Set while the clock is not believed. */
  readonly leap?: {
    /** How far it is off the trusted time, in seconds; negative when it is behind. */
    readonly offset: number;
    /** Seconds that the server has to run until the clock is believed. */
    readonly believedIn: number;
  };
  /** Why the state could not be written down; it holds all the same until the process ends. */
  readonly unsaved?: string;
}

export interface ClockSources {
  /** Milliseconds since 1970. */
  readonly clock?: () => number;
  /** Seconds since the machine started. */
  readonly uptime?: () => number;
  /** Tells this start of the machine from others. */
  readonly boot?: string;
}

/** The server's clock, with a memory in the data folder of how far it may be believed. */
export class TrustedClock {
  readonly #dataDir: string;
  readonly #sources: Required<ClockSources>;
  #state: ClockState | undefined;

  constructor(dataDir: string, sources: ClockSources = {}) {
    this.#dataDir = dataDir;
    this.#sources = withDefaults(sources);
  }

  /** The time for a file that is stored now, in milliseconds since 1970. */
  now(): number {
    return timeToStamp(this.#state, this.#sight()) * 1000;
  }

  /**
   * Looks at the clocks and writes down what they say. `newestEvidence` gives the time of the newest
   * file, for a data folder in which nothing is written down yet.
   */
  async observe(newestEvidence: () => Promise<number | undefined>): Promise<ClockReading> {
    const next = async (saved: ClockState | undefined): Promise<ClockState> => {
      const sight = this.#sight();
      return saved === undefined
        ? initialState(sight, await newestEvidence())
        : observe(saved, sight, this.#state !== undefined);
    };
    try {
      this.#state = await withDataLock(this.#dataDir, async () => {
        const state = await next(await readState(this.#dataDir));
        await replaceJson(statePath(this.#dataDir), state);
        return state;
      });
      return this.#reading(this.#state);
    } catch (error) {
      // A disk that is full must not keep the sweep from making room on it.
      this.#state = await next(this.#state ?? (await readState(this.#dataDir)));
      const unsaved = error instanceof Error ? error.message : String(error);
      return { ...this.#reading(this.#state), unsaved };
    }
  }

  #reading(state: ClockState): ClockReading {
    return readingOf(state, this.#sight());
  }

  #sight(): ClockSight {
    return sightOf(this.#sources);
  }
}

/** How far a server of this data folder would believe the clock now. Throws `not-found`, `usage`. */
export async function readClock(
  dataDir: string,
  sources: ClockSources = {},
): Promise<ClockReading | undefined> {
  await checkDataFolder(dataDir);
  const state = await readState(dataDir);
  const sight = sightOf(withDefaults(sources));
  return state === undefined ? undefined : readingOf(observe(state, sight, false), sight);
}

/** Says that the clock is right, whatever came before. Throws `not-found`, `usage`. */
export async function acceptClock(dataDir: string, sources: ClockSources = {}): Promise<void> {
  await checkDataFolder(dataDir);
  await withDataLock(dataDir, async () => {
    await replaceJson(statePath(dataDir), acceptedState(sightOf(withDefaults(sources))));
  });
}

function readingOf(state: ClockState, sight: ClockSight): ClockReading {
  const { leap } = state;
  return {
    wall: sight.wall,
    horizon: horizonOf(state, sight),
    ...(leap === undefined
      ? {}
      : { leap: { offset: leap.offset, believedIn: CONFIRMATION - leap.heldFor } }),
  };
}

function sightOf({ clock, uptime, boot }: Required<ClockSources>): ClockSight {
  return { wall: clock() / 1000, uptime: uptime(), boot };
}

function withDefaults(sources: ClockSources): Required<ClockSources> {
  return { clock: Date.now, uptime, boot: bootId(), ...sources };
}

/** Where the system has no such id, each process counts as a start of its own. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return PROCESS_ID;
  }
}

const PROCESS_ID = randomBytes(8).toString("hex");

function statePath(dataDir: string): string {
  return join(dataDir, "clock.json");
}

/** Undefined when there is none, or none that can be read: then the files speak for the time. */
async function readState(dataDir: string): Promise<ClockState | undefined> {
  try {
    const state = JSON.parse(await readFile(statePath(dataDir), "utf8")) as ClockState | null;
    const numbers = [state?.trusted, state?.uptime, state?.unexplained];
    const leap = state?.leap === undefined ? [] : [state.leap.offset, state.leap.heldFor];
    const valid = [...numbers, ...leap].every(Number.isFinite) && typeof state?.boot === "string";
    return valid ? state! : undefined;
  } catch {
    return undefined;
  }
}
