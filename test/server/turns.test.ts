import { expect, test } from "vitest";
import { Refusal } from "../../src/server/refusal.ts";
import { Turns } from "../../src/server/turns.ts";

const TOO_MANY = "Too many ask for it.";

test("so many do their work at once, the others in the order they came", async () => {
  const turns = new Turns({ atOnce: 2, mostWaiting: 8, tooMany: TOO_MANY });
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const all = Array.from({ length: 6 }, (_, index) =>
    turns.take(() => {
      begun.push(index);
      return new Promise<number>((resolve) => ends.push(() => resolve(index)));
    }),
  );
  for (let ended = 0; ended < 6; ended++) {
    await expect.poll(() => begun.length).toBe(Math.min(ended + 2, 6));
    ends[ended]!();
    await all[ended];
  }
  expect(begun).toEqual([0, 1, 2, 3, 4, 5]);
  expect(await Promise.all(all)).toEqual(begun);
});

test("whoever finds too many waiting is told when to come again, and the others are served", async () => {
  const turns = new Turns({ atOnce: 1, mostWaiting: 1, tooMany: TOO_MANY });
  let end = (): void => {};
  const first = turns.take(() => new Promise<void>((resolve) => (end = resolve)));
  const second = turns.take(async () => "served");
  const third = await turns.take(async () => "never").catch((error: unknown) => error);
  expect(third).toBeInstanceOf(Refusal);
  expect(third).toMatchObject({ status: 503, message: TOO_MANY, headers: { "Retry-After": "5" } });
  end();
  await first;
  expect(await second).toBe("served");
});

test("work that fails gives its turn back", async () => {
  const turns = new Turns({ atOnce: 1, mostWaiting: 4, tooMany: TOO_MANY });
  const failing = turns.take(() => Promise.reject(new Error("lost")));
  const next = turns.take(async () => "done");
  await expect(failing).rejects.toThrow("lost");
  expect(await next).toBe("done");
  expect(await turns.take(async () => "again")).toBe("again");
});
