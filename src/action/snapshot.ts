import { type SnapshotResult, snapshot } from "../operations/snapshot.ts";
import { openStore } from "../stores/open.ts";
import { countInWords, durationInWords, sizeInWords, visible } from "../words.ts";
import { changesFor } from "./changes.ts";
import { snapshotInputs } from "./inputs.ts";
import { sparseProgress } from "./progress.ts";
import { annotateWarnings, isoTime, say, setOutputs, writeSummary } from "./report.ts";
import { runStep } from "./step.ts";
import { snapshotSummary } from "./summary.ts";
import { workflowSource } from "./workflow.ts";

await runStep("Snapshot failed", async (signal) => {
  const { accessUrl, ...what } = await snapshotInputs();
  const { repository, name } = what;
  // A server that sends archives whole only is not asked for two to compare their contents lists.
  const whole = new AbortController();
  const onWhole = () => whole.abort();
  const store = await openStore(accessUrl, { env: process.env, create: true, onWhole });
  try {
    const { description } = store;
    say(`Backing ${repository} up to ${description}`);
    const start = performance.now();
    const result = await snapshot({
      ...what,
      store,
      env: process.env,
      run: workflowSource(process.env).run,
      onStep: say,
      onProgress: sparseProgress(say),
      onLeft: (folder) => say(`The scratch folder ${folder} could not be removed.`),
      signal,
    });
    const seconds = (performance.now() - start) / 1000;
    report(result);
    say(`Stored ${result.entry}: ${inWords(result)}, in ${durationInWords(seconds)}`);
    const enough = AbortSignal.any([signal, whole.signal]);
    const changes = await changesFor(result, { ...what, store, signal: enough });
    await writeSummary(
      snapshotSummary(result, {
        changes,
        repository,
        store: description,
        name,
        seconds,
        signer: what.signingKey?.signer,
      }),
    );
  } finally {
    await store.close();
  }
});

function report({ gathered, ...result }: SnapshotResult): void {
  const { entry, size, sha256, totals, warnings } = result;
  const missing = gathered.incomplete.map(({ part }) => part);
  setOutputs({
    entry,
    size,
    sha256,
    createtime: isoTime(result.createtime),
    files: totals.files,
    commit: gathered.refs.commit ?? "",
    incomplete: missing.join("\n"),
  });
  annotateWarnings("The snapshot is not complete", [
    ...gathered.incomplete.map(({ part, reason }) => `${visible(part)}: ${visible(reason)}`),
    ...warnings.map(({ path, problem }) => `${visible(path)}: ${problem}`),
  ]);
}

function inWords({ gathered, totals, size }: SnapshotResult): string {
  const refs = countInWords(Object.keys(gathered.refs.refs).length, "ref");
  return `${refs}, ${sizeInWords(totals.bytes)}, stored as ${sizeInWords(size)}`;
}
