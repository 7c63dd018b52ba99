import { expect, test } from "vitest";
import { DEFAULT_LOGIN_LIMITS } from "../../src/server/rate-limit.ts";
import { startServer } from "../support/server.ts";
import { send } from "./support/client.ts";

const ROUNDS = 9;

test("how long a refusal takes does not tell which usernames exist", async () => {
  const server = await startServer({
    limits: { logins: { ...DEFAULT_LOGIN_LIMITS, burst: 1_000_000 } },
  });
  try {
    // Remembered, as an account in use is.
    expect((await send(server, "GET", "/")).status).toBe(200);
    const usernames = {
      known: server.username,
      unknown: "Nobody123456",
      impossible: "no such name!",
    };
    const times: Record<string, number[]> = { known: [], unknown: [], impossible: [] };
    // Taken in turn, so that whatever else the machine does falls on all of them.
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [kind, username] of Object.entries(usernames)) {
        const began = performance.now();
        const { status } = await send(server, "GET", "/", { auth: `${username}:wrong${round}` });
        times[kind]!.push(performance.now() - began);
        expect(status).toBe(401);
      }
    }
    const [known, unknown, impossible] = Object.values(times).map(median) as [
      number,
      number,
      number,
    ];
    // Without a hash computed for nobody it would be a fiftieth and less.
    for (const other of [unknown, impossible]) {
      expect(other / known).toBeGreaterThan(0.6);
      expect(other / known).toBeLessThan(1.6);
    }
  } finally {
    await server.close();
  }
});

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
