import { tmpdir } from "node:os";
import { join } from "node:path";
import * as core from "@actions/core";
import { createPinger, type Pinger } from "../operations/ping.ts";
import { type RehearseResult, rehearse } from "../operations/rehearse.ts";
import { withScratchFolder } from "../operations/scratch.ts";
import { openStore } from "../stores/open.ts";
import { countInWords, durationInWords, sizeInWords } from "../words.ts";
import { commandVariables } from "./command-variables.ts";
import { failureText } from "./failure.ts";
import { type VerifyInputs, verifyInputs } from "./inputs.ts";
import { sparseProgress } from "./progress.ts";
import { annotateWarnings, isoTime, say, setOutputs, writeSummary } from "./report.ts";
import { runStep } from "./step.ts";
import { verifySummary } from "./summary.ts";

await runStep("Verify failed", async (signal) => {
  const { pingUrl, ...inputs } = await verifyInputs();
  const pinger = pingUrl === undefined ? undefined : pingerOf(pingUrl);
  await pinger?.ping("start");
  try {
    const said = await verifyBackup(inputs, signal);
    await pinger?.ping("success", said);
  } catch (error) {
    // A run that was cancelled found out nothing.
    if (!signal.aborted) await pinger?.ping("fail", failureText(error));
    throw error;
  }
});

function pingerOf(url: string): Pinger {
  const onWarning = (message: string) =>
    core.warning(message, { title: "The health check was not reached" });
  return createPinger(url, { env: process.env, onWarning });
}

/** Returns what was done, in a sentence. */
async function verifyBackup(
  { accessUrl, command, ...what }: Omit<VerifyInputs, "pingUrl">,
  signal: AbortSignal,
): Promise<string> {
  const store = await openStore(accessUrl, { env: process.env, onWhole: say });
  try {
    say(`Rehearsing a restore from ${store.description}`);
    const start = performance.now();
    const rehearsal = (scratch: string) =>
      rehearse({
        ...what,
        store,
        to: join(scratch, "restored"),
        command:
          command === undefined
            ? undefined
            : { line: command, env: commandVariables(process.env), onLine: say },
        onStep: say,
        onGood: ({ entry }) => setOutputs({ "good-entry": entry }),
        onProgress: sparseProgress(say),
        signal,
      });
    const result = await withScratchFolder(tmpdir(), rehearsal, (folder) =>
      core.warning(`${folder} is left.`, { title: "The scratch folder could not be removed" }),
    );
    const seconds = (performance.now() - start) / 1000;
    const { entry, createtime } = result.archive;
    setOutputs({ entry, createtime: isoTime(createtime), files: result.totals.files });
    annotateWarnings("Not everything could be put back exactly", result.warnings);
    const said = `${inWords(result, command !== undefined)}, in ${durationInWords(seconds)}`;
    say(said);
    const { description } = store;
    await writeSummary(verifySummary(result, { store: description, command, seconds }));
    return said;
  } finally {
    await store.close();
  }
}

function inWords({ archive, totals, compared }: RehearseResult, ran: boolean): string {
  const files = `${countInWords(totals.files, "file")}, ${sizeInWords(totals.bytes)}`;
  return [
    `${archive.entry} can be restored: ${files}, every file checked`,
    ...(compared === undefined ? [] : ["equal to the folder it was compared with"]),
    ...(ran ? ["the command in it succeeded"] : []),
  ].join("; ");
}
