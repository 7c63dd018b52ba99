import { pino } from "pino";
import { visible } from "../words.ts";
import type { ServerEvent } from "./server-event.ts";

export type LogFormat = "text" | "json";

/** A log that writes a line for each event: for a person, or JSON for a program. */
export function createLog(
  format: LogFormat,
  write: (line: string) => void,
): (event: ServerEvent) => void {
  return format === "json" ? jsonLog(write) : (event) => write(inText(event, new Date()));
}

function jsonLog(write: (line: string) => void): (event: ServerEvent) => void {
  const logger = pino(
    {
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    { write: (line: string) => write(line.trimEnd()) },
  );
  return ({ level, message, ...fields }) => logger[level](fields, message);
}

/** `2026-11-23T09:40:12.345Z PUT /data.tar 201 USER 192.0.2.1 12 ms in 1234 out 56 id 3f2a…` */
function inText(event: ServerEvent, now: Date): string {
  const { level, message, method, path, status, username, remoteAddress, requestId } = event;
  const { milliseconds, bytesIn, bytesOut } = event;
  const isRequest = method !== undefined && level === "info";
  const parts = [
    now.toISOString(),
    ...(level === "error" ? [`error: ${message}`] : isRequest ? [] : [message]),
    ...[method, path, isRequest ? (status ?? "-") : status],
    username ?? (isRequest ? "-" : undefined),
    remoteAddress,
    milliseconds === undefined ? undefined : `${milliseconds} ms`,
    bytesIn === undefined ? undefined : `in ${bytesIn}`,
    bytesOut === undefined ? undefined : `out ${bytesOut}`,
    requestId === undefined ? undefined : `id ${requestId}`,
  ];
  return visible(parts.filter((part) => part !== undefined).join(" "));
}
