import { countInWords, sizeInWords, timeInWords } from "../words.ts";
import type { ServerEvent } from "./server-event.ts";
import type { Amount, SweepReport } from "./sweep.ts";
import type { ClockReading } from "./trusted-clock.ts";

/** What a sweep has to say in the log: what was deleted, what was held back and why, what failed. */
export function sweepEvents({ clock, accounts, failures }: SweepReport): ServerEvent[] {
  const events: ServerEvent[] = [];
  for (const { username, deleted } of accounts) {
    if (deleted.files === 0) continue;
    events.push({ level: "info", message: `deleted ${inWords(deleted)}, expired`, username });
  }
  if (clock?.leap !== undefined) events.push({ level: "error", message: doubt(clock) });
  for (const { username, heldBack } of accounts) {
    if (heldBack.files === 0) continue;
    const message = `held back ${inWords(heldBack)}, expired by a clock that is not believed yet`;
    events.push({ level: "error", message, username });
  }
  if (clock?.unsaved !== undefined) {
    events.push({ level: "error", message: `cannot write the time down: ${clock.unsaved}` });
  }
  for (const { username, message } of failures) {
    events.push({ level: "error", message: `sweep: ${message}`, username });
  }
  return events;
}

function inWords({ files, bytes }: Amount): string {
  return `${countInWords(files, "file")} (${sizeInWords(bytes)})`;
}

function doubt({ wall, horizon, leap }: ClockReading): string {
  const { offset, believedIn } = leap!;
  const hours = countInWords(Math.round(Math.abs(offset) / 3600), "hour");
  return (
    `the clock says ${timeInWords(wall)}, ${hours} ${offset > 0 ? "ahead of" : "behind"} what the ` +
    `server knows: nothing is deleted that did not expire before ${timeInWords(horizon)}. If the ` +
    `clock is right, say so with: restbackup clock --accept. Otherwise it is believed after ` +
    `${countInWords(Math.ceil(believedIn / 3600), "hour")} more of running`
  );
}
