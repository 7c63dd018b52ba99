import { mkdir, open } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type JsonObject, jsonLine } from "./json.ts";

/** The folder that metadata is written to, page by page. */
export class Shelf {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Writes lines as they come, and gives their number. The file is there from the first page on, even
   * if that is empty: no file means that nothing could be read.
   */
  async write(name: string, pages: AsyncIterable<readonly JsonObject[]>): Promise<number> {
    const file = join(this.folder, `${name}.jsonl`);
    let handle: Awaited<ReturnType<typeof open>> | undefined;
    let lines = 0;
    try {
      for await (const page of pages) {
        if (handle === undefined) {
          await mkdir(dirname(file), { recursive: true });
          handle = await open(file, "wx");
        }
        await handle.writeFile(page.map(jsonLine).join(""));
        lines += page.length;
      }
      return lines;
    } finally {
      await handle?.close();
    }
  }

  /** The same for few lines, in an order of their own. */
  async writeSorted(
    name: string,
    lines: readonly JsonObject[],
    by: (line: JsonObject) => string | number,
  ): Promise<void> {
    const sorted = lines.toSorted((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : 0));
    await this.write(
      name,
      (async function* () {
        yield sorted;
      })(),
    );
  }
}
