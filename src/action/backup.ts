import { type BackupResult, backup } from "../operations/backup.ts";
import { openStore } from "../stores/open.ts";
import { countInWords, durationInWords, sizeInWords, visible } from "../words.ts";
import { cacheFor } from "./cache.ts";
import { changesFor } from "./changes.ts";
import { backupInputs } from "./inputs.ts";
import { sparseProgress } from "./progress.ts";
import {
  annotateWarnings,
  isoTime,
  say,
  setOutputs,
  unlessNothing,
  writeSummary,
} from "./report.ts";
import { runStep } from "./step.ts";
import { backupSummary } from "./summary.ts";
import { workflowSource } from "./workflow.ts";

await runStep("Backup failed", async (signal) => {
  const { accessUrl, ifNoFilesFound, cache, ...what } = await backupInputs();
  // A server that sends archives whole only is not asked for two to compare their contents lists.
  const whole = new AbortController();
  const onWhole = () => whole.abort();
  const store = await openStore(accessUrl, { env: process.env, create: true, onWhole });
  const cached = cache ? await cacheFor("saving", store) : undefined;
  try {
    say(`Backing up to ${store.description}`);
    const start = performance.now();
    const result = await unlessNothing(ifNoFilesFound, "Nothing was backed up", () =>
      backup({
        ...what,
        store: cached?.store ?? store,
        source: workflowSource(process.env),
        onProgress: sparseProgress(say),
        signal,
      }),
    );
    if (result === undefined) {
      setOutputs({ entry: "", size: "", sha256: "", createtime: "", files: 0 });
      return;
    }
    const seconds = (performance.now() - start) / 1000;
    const { entry, size, sha256, totals } = result;
    const createtime = isoTime(result.createtime);
    setOutputs({ entry, size, sha256, createtime, files: totals.files });
    say(`Stored ${entry}: ${inWords(result)}, in ${durationInWords(seconds)}`);
    annotateWarnings(
      "Not everything could be backed up as it was",
      result.warnings.map(({ path, problem }) => `${visible(path)}: ${problem}`),
    );
    const { description } = store;
    const enough = AbortSignal.any([signal, whole.signal]);
    const changes = await changesFor(result, { ...what, store, signal: enough });
    await writeSummary(
      backupSummary(result, {
        changes,
        store: description,
        name: what.name,
        seconds,
        signer: what.signingKey?.signer,
      }),
    );
  } finally {
    if (cached !== undefined) say(cached.inWords());
    await cached?.close();
    await store.close();
  }
});

function inWords({ totals, size }: BackupResult): string {
  const files = countInWords(totals.files, "file");
  return `${files}, ${sizeInWords(totals.bytes)}, stored as ${sizeInWords(size)}`;
}
