import { DEFAULT_LOGIN_LIMITS, type LoginLimits } from "./rate-limit.ts";

/** How fast a request's content has to come at least, while the server waits for it. */
export interface Pace {
  /** Milliseconds. */
  readonly window: number;
  /** In each window. */
  readonly bytes: number;
}

/** What clients may cost. Durations are in milliseconds. */
export interface Limits {
  /** Connections at a time. */
  readonly connections: number;
  /** How long a request's header may take, and a TLS handshake. */
  readonly headersTimeout: number;
  /** A connection on which nothing moves for so long is cut. */
  readonly idleTimeout: number;
  readonly bodyPace: Pace;
  readonly logins: LoginLimits;
  /** Requests that may wait on a connection for the one before to be answered. */
  readonly pipelined: number;
  /** How long a server that stops waits for requests under way. */
  readonly shutdownGrace: number;
}

/** An honest upload over the slowest of lines passes: 1 kB/s, looked at over a minute. */
export const DEFAULT_LIMITS: Limits = {
  connections: 1000,
  headersTimeout: 30_000,
  idleTimeout: 120_000,
  bodyPace: { window: 60_000, bytes: 60_000 },
  logins: DEFAULT_LOGIN_LIMITS,
  pipelined: 100,
  shutdownGrace: 60_000,
};
