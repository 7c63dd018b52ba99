import { expect, test } from "vitest";
import { fuzzServer } from "./support/fuzzed-server.ts";

test("hundreds of malformed requests: none is 5xx, and honest ones are served meanwhile", async () => {
  const { statuses, honest } = await fuzzServer({
    seed: "short",
    warmUp: 50,
    requests: 600,
    atOnce: 8,
  });
  expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
  // The requests reach what they aim at.
  for (const status of [200, 400, 401, 404, 405]) {
    expect(statuses.get(status) ?? 0, String(status)).toBeGreaterThan(0);
  }
  expect(honest).toBeGreaterThan(0);
});
