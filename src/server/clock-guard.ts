/**
 * How far a clock is trusted that decides what may be deleted. See
 * `docs/decisions/0012-retention-sweep.md`. All times are in seconds.
 */
export interface ClockState {
  /** The latest time that is trusted to have been reached: Unix seconds. */
  readonly trusted: number;
  /** The machine's uptime at that moment, and which boot that was counted in. */
  readonly uptime: number;
  readonly boot: string;
  /** How much of `trusted` nothing but the clock itself speaks for, less what was lived down since. */
  readonly unexplained: number;
  /** How far the clock is from the trusted time, when that is too far, and for how long already. */
  readonly leap?: { readonly offset: number; readonly heldFor: number };
}

/** What clocks say at one moment. */
export interface ClockSight {
  /** Unix seconds. */
  readonly wall: number;
  /** Seconds since the machine started, also those in which it slept. */
  readonly uptime: number;
  /** Tells this start of the machine from others. */
  readonly boot: string;
}

const DAY = 86_400;
/** So much a clock may be off what is known to have passed. */
const TOLERANCE = DAY;
/** In so much running time the whole of the tolerance is granted anew. */
const RECOVERY = 7 * DAY;
/** A leap that has held for so much running time is believed. */
export const CONFIRMATION = 7 * DAY;

/** The first state: of two that speak for a time, the wall clock and the newest file, the earlier. */
export function initialState(sight: ClockSight, newestEvidence: number | undefined): ClockState {
  const { wall, uptime, boot } = sight;
  return { trusted: Math.min(wall, newestEvidence ?? wall), uptime, boot, unexplained: 0 };
}

/**
 * The state after a look at the clocks. `running` says whether this process saw the state before:
 * only then is the time since one in which the server ran, and could be told that its clock is wrong.
 */
export function observe(state: ClockState, sight: ClockSight, running: boolean): ClockState {
  const { wall, uptime, boot } = sight;
  const elapsed = elapsedSince(state, sight);
  const trusted = state.trusted + elapsed;
  const offset = wall - trusted;
  const livedDown = (elapsed * TOLERANCE) / RECOVERY;
  const unexplained = Math.max(0, state.unexplained - livedDown);
  if (offset < 0 ? offset >= -TOLERANCE : unexplained + offset <= TOLERANCE) {
    return { trusted: wall, uptime, boot, unexplained: unexplained + Math.max(0, offset) };
  }
  const same = state.leap !== undefined && Math.abs(offset - state.leap.offset) <= TOLERANCE;
  const leap = same
    ? { offset: state.leap.offset, heldFor: state.leap.heldFor + (running ? elapsed : 0) }
    : { offset, heldFor: 0 };
  if (leap.heldFor >= CONFIRMATION) return acceptedState(sight);
  return { trusted, uptime, boot, unexplained, leap };
}

/** The state once the wall clock is believed. */
export function acceptedState({ wall, uptime, boot }: ClockSight): ClockState {
  return { trusted: wall, uptime, boot, unexplained: 0 };
}

/** What has passed by the machine's own count; 0 after a restart of the machine, which hides it. */
function elapsedSince(state: ClockState, { uptime, boot }: ClockSight): number {
  return boot === state.boot ? Math.max(0, uptime - state.uptime) : 0;
}

/** The latest time by which something may have expired: both the clock and the trusted time say so. */
export function horizonOf({ trusted }: ClockState, { wall }: ClockSight): number {
  return Math.min(wall, trusted);
}

/**
 * The time for a file that is stored now: the wall clock's, unless that fell far behind the trusted
 * time. A file dated in the past would expire as soon as the clock is right again.
 */
export function timeToStamp(state: ClockState | undefined, sight: ClockSight): number {
  if (state === undefined) return sight.wall;
  const trusted = state.trusted + elapsedSince(state, sight);
  return trusted - sight.wall > TOLERANCE ? trusted : sight.wall;
}
