import { rm } from "node:fs/promises";
import { expect, test } from "vitest";
import { temporaryFolder } from "../support/server.ts";
import { killDuringUploads } from "./support/killed-uploads.ts";

test("a server killed at any moment of uploads keeps what it confirmed, whole, and no litter", async () => {
  const dataDir = temporaryFolder("killed");
  const outcome = await killDuringUploads({ dataDir, seed: "fast", cut: 40, atOnce: 4 });
  expect(outcome.kills).toBeGreaterThanOrEqual(10);
  expect(outcome.confirmed).toBeGreaterThan(0);
  await rm(dataDir, { recursive: true });
});
