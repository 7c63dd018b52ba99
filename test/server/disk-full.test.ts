import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { startServerProcess, type TestServer } from "../support/server.ts";
import { listed, send, sha256Of } from "./support/client.ts";
import { litterIn } from "./support/litter.ts";
import { seededBytes } from "./support/seeded.ts";
import { mountSmallDisk, type SmallDisk } from "./support/small-disk.ts";

let disk: SmallDisk | undefined;
afterEach(() => disk?.unmount());

/** Uploads until nothing fits any more, several at once; gives what was confirmed, by name. */
async function fill(
  server: TestServer,
  prefix: string,
  sizes: readonly number[],
): Promise<Map<string, Buffer>> {
  const confirmed = new Map<string, Buffer>();
  const work = async (worker: number): Promise<void> => {
    for (let count = 0; ; count += 1) {
      const name = `${prefix}-${worker}-${count}`;
      const body = seededBytes(name, sizes[(worker + count) % sizes.length]!);
      const reply = await send(server, "PUT", `/${name}`, { body });
      if (reply.status !== 201) {
        expect(reply.status).toBe(507);
        expect(reply.body.toString()).toBe("The server's disk is full.\n");
        return;
      }
      confirmed.set(name, body);
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, worker) => work(worker)));
  return confirmed;
}

async function expectExactly(server: TestServer, confirmed: Map<string, Buffer>): Promise<void> {
  expect(litterIn(server.dataDir)).toEqual([]);
  expect([...(await listed(server)).keys()].sort()).toEqual([...confirmed.keys()].sort());
  for (const [name, content] of confirmed) {
    const { status, body } = await send(server, "GET", `/${name}`);
    expect(status).toBe(200);
    expect(sha256Of(body)).toBe(sha256Of(content));
  }
}

test.for([
  ["bytes", "size=12m", [300_000, 1_500_000, 100_000]],
  ["files", "size=64m,nr_inodes=150", [10_000]],
] as const)(
  "a disk that is out of %s: 507, nothing is lost or left, and it goes on once there is room",
  async ([what, options, sizes], context) => {
    disk = mountSmallDisk(options, `a server survives a disk that is out of ${what}`);
    if (disk === undefined) context.skip();
    const dataDir = join(disk!.folder, "data");
    const server = await startServerProcess({ dataDir });
    const reserve = join(disk!.folder, "reserve");
    mkdirSync(reserve);
    for (let file = 0; file < 40; file += 1) {
      writeFileSync(join(reserve, String(file)), Buffer.alloc(100_000));
    }

    const confirmed = await fill(server, "first", sizes);
    expect(confirmed.size).toBeGreaterThan(5);
    await expectExactly(server, confirmed);

    rmSync(reserve, { recursive: true });
    const more = await fill(server, "later", sizes);
    expect(more.size).toBeGreaterThan(1);
    await expectExactly(server, new Map([...confirmed, ...more]));
    await server.close();
  },
);
