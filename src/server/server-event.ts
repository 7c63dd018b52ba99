/** Something that happened, without secrets. */
export interface ServerEvent {
  readonly level: "info" | "error";
  readonly message: string;
  readonly method?: string | undefined;
  /** The path as sent, percent-encoded, without a query; a session's is `/session/…`. */
  readonly path?: string | undefined;
  /** Absent when the client went away before it was answered. */
  readonly status?: number | undefined;
  readonly username?: string | undefined;
  /** The client's; behind a proxy as the proxy says. */
  readonly remoteAddress?: string | undefined;
  /** As in the answer's `X-Request-Id`. */
  readonly requestId?: string | undefined;
  /** From the request's header to the end of the answer. */
  readonly milliseconds?: number | undefined;
  /** With headers, as HTTP has them: without what TLS adds. */
  readonly bytesIn?: number | undefined;
  readonly bytesOut?: number | undefined;
}
