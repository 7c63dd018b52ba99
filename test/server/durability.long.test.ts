import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/server.ts";
import { killDuringUploads } from "./support/killed-uploads.ts";

test("500 uploads cut by kill -9: what got 201 is listed and whole, nothing else is, and no litter", async () => {
  const dataDir = temporaryFolder("killed");
  const outcome = await killDuringUploads({ dataDir, seed: "long", cut: 500, atOnce: 6 });
  console.log(outcome);
  expect(outcome.kills).toBeGreaterThanOrEqual(80);
  // Both sides of the moment at which an upload becomes an entry were met.
  expect(outcome.confirmed).toBeGreaterThan(100);
  expect(outcome.answerLost).toBeGreaterThan(0);
  await rm(dataDir, { recursive: true });
});
