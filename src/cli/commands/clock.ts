import type { Command } from "commander";
import type { ClockReading } from "../../server/trusted-clock.ts";
import { countInWords, timeInWords } from "../../words.ts";
import type { Context, Start } from "../context.ts";
import { actAsOwner } from "../folder-owner.ts";

interface Flags {
  readonly data: string;
  readonly accept?: boolean;
}

export function addClock(program: Command, start: Start): void {
  program
    .command("clock")
    .description("Show whether a server believes its clock, which decides what has expired.")
    .requiredOption("--data <folder>", "the folder that the server serves")
    .option("--accept", "say that the clock is right: what has expired by it may be deleted")
    .addHelpText(
      "after",
      `
A server whose clock leapt, or that was off for long, holds deletions back until the clock has held
for a week of running, or until it is told that the clock is right.

Examples:
  restbackup clock --data /srv/restbackup
  restbackup clock --data /srv/restbackup --accept`,
    )
    .action((flags: Flags) => run(start(), flags));
}

async function run({ output }: Context, { data, accept }: Flags): Promise<void> {
  const { acceptClock, readClock } = await import("../../server/trusted-clock.ts");
  await actAsOwner(data);
  if (accept === true) await acceptClock(data);
  const reading = await readClock(data);
  await output.result([inWords(reading)], reading ?? {});
}

function inWords(reading: ClockReading | undefined): string {
  if (reading === undefined) return "No server has looked at the clock yet.";
  const { wall, horizon, leap } = reading;
  if (leap === undefined) return `The clock says ${timeInWords(wall)}, and is believed.`;
  const hours = countInWords(Math.round(Math.abs(leap.offset) / 3600), "hour");
  const side = leap.offset > 0 ? "ahead of" : "behind";
  return (
    `The clock says ${timeInWords(wall)}, ${hours} ${side} what the server knows. ` +
    `It deletes only what expired before ${timeInWords(horizon)}, for up to ` +
    `${countInWords(Math.ceil(leap.believedIn / 3600), "hour")} more of running.`
  );
}
