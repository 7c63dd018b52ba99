/** Something that happened, without secrets. */
export interface ServerEvent {
  readonly level: "info" | "error";
  readonly message: string;
  readonly method?: string | undefined;
  /** The path as sent, percent-encoded. */
  readonly path?: string | undefined;
  readonly status?: number | undefined;
  readonly username?: string | undefined;
}
