import { expect, test } from "vitest";
import { fuzzServer } from "./support/fuzzed-server.ts";

test("50,000 malformed requests: none is 5xx, memory stays, honest ones are served", async () => {
  const { statuses, honest, growth } = await fuzzServer({
    seed: "long",
    warmUp: 20_000,
    requests: 50_000,
    atOnce: 32,
  });
  console.info("answers", Object.fromEntries(statuses), "honest", honest, "growth", growth);
  expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
  expect(honest).toBeGreaterThan(50);
  expect(growth).toBeLessThan(32 * 1024 * 1024);
});
