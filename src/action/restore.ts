import * as core from "@actions/core";
import { type FallbackOptions, restoreWithFallback } from "../operations/fallback.ts";
import { incompleteNewest } from "../operations/newest.ts";
import { restore } from "../operations/restore.ts";
import { openStore } from "../stores/open.ts";
import { countInWords, durationInWords, sizeInWords, visible } from "../words.ts";
import { cacheFor } from "./cache.ts";
import { failureText } from "./failure.ts";
import { restoreInputs } from "./inputs.ts";
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
import { restoreSummary } from "./summary.ts";

await runStep("Restore failed", async (signal) => {
  const { accessUrl, ifNotFound, fallback, cache, ...what } = await restoreInputs();
  const store = await openStore(accessUrl, { env: process.env, onWhole: say });
  // A part of an archive takes a few requests for ranges, its copy would be taken whole.
  const cached = cache && what.include === undefined ? await cacheFor("loading", store) : undefined;
  try {
    say(`Restoring from ${store.description}`);
    const start = performance.now();
    const source = cached?.store ?? store;
    const options = { ...what, store: source, onProgress: sparseProgress(say), signal };
    const passedOver: string[] = [];
    const onPassedOver: FallbackOptions["onPassedOver"] = ({ entry }, { message }) => {
      say(`Passing over ${entry}: ${message}`);
      passedOver.push(`${visible(entry)}: ${visible(message)}`);
    };
    const result = await unlessNothing(ifNotFound, "Nothing was restored", () =>
      fallback ? restoreWithFallback({ ...options, onPassedOver }) : restore(options),
    );
    if (result === undefined) {
      setOutputs({ entry: "", found: false, createtime: "", files: 0, "cache-hit": false });
      return;
    }
    const seconds = (performance.now() - start) / 1000;
    const { archive, totals, to } = result;
    const { entry } = archive;
    setOutputs({
      entry,
      found: true,
      createtime: isoTime(archive.createtime),
      files: totals.files,
      "cache-hit": cached?.hit ?? false,
    });
    const files = `${countInWords(totals.files, "file")}, ${sizeInWords(totals.bytes)}`;
    say(`Restored ${entry} to ${to}: ${files}, in ${durationInWords(seconds)}`);
    const incomplete = fallback ? undefined : await incompleteNewest(store, what, { signal });
    if (incomplete !== undefined) {
      core.warning(failureText(incomplete), {
        title: "There is a newer backup that is incomplete",
      });
    }
    if (passedOver.length > 0) {
      core.warning([`${visible(entry)} was restored instead of:`, ...passedOver].join("\n"), {
        title: "An older backup was restored, as newer ones cannot be",
      });
    }
    annotateWarnings("Not everything could be put back exactly", result.warnings);
    const { description } = store;
    await writeSummary(restoreSummary(result, { store: description, path: to, seconds }));
  } finally {
    if (cache) say(cached?.inWords() ?? "Cache: not used: include fetches only what it needs");
    await cached?.close();
    await store.close();
  }
});
