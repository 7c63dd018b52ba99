import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { GithubFailure } from "./failure.ts";
import type { JsonObject } from "./json.ts";
import { allOf, listOf, type Source } from "./source.ts";

const TRIES = 3;

/** Releases, drafts where the token sees them, and the files they offer, each checked. */
export async function readReleases(source: Source): Promise<void> {
  const releases = await allOf(listOf(source, "/releases"));
  const lines: JsonObject[] = [];
  const missing: string[] = [];
  for (const release of releases) {
    const assets: JsonObject[] = [];
    for (const asset of byId(release.assets as readonly JsonObject[])) {
      const found = await readAsset(source, asset);
      if (typeof found === "string") missing.push(`${release.tag_name}/${asset.name}: ${found}`);
      assets.push(typeof found === "string" ? asset : { ...asset, ...found });
    }
    lines.push({ ...release, assets });
  }
  await source.shelf.writeSorted("releases/releases", lines, ({ id }) => Number(id));
  if (missing.length > 0) source.miss("releases/assets", missing.join(" "));
}

/** Where the file is and its SHA-256, or why it is not there. */
async function readAsset(source: Source, asset: JsonObject): Promise<JsonObject | string> {
  if (asset.state !== "uploaded") return "Its upload was never finished.";
  // A name of ours, with as much of the asset's name as every file system takes.
  const safe = String(asset.name)
    .replaceAll(/[^\w.-]/g, "_")
    .slice(-100);
  const file = `releases/assets/${asset.id}-${safe}`;
  for (let attempt = 1; ; attempt++) {
    try {
      return { file, sha256: await download(source, asset, join(source.shelf.folder, file)) };
    } catch (error) {
      if (!(error instanceof GithubFailure)) throw error;
      if (error.isRefusal || attempt === TRIES) return error.message;
    }
  }
}

async function download(
  { github, address }: Source,
  { id, size, digest }: JsonObject,
  file: string,
): Promise<string> {
  const { owner, repo } = address;
  const { body } = await github.download(`/repos/${owner}/${repo}/releases/assets/${id}`);
  await mkdir(dirname(file), { recursive: true });
  const hash = createHash("sha256");
  let bytes = 0;
  const counting = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  try {
    body.once("error", () => {});
    await pipeline(body, counting, createWriteStream(file));
    const sha256 = hash.digest("hex");
    const expected = typeof digest === "string" ? digest : `sha256:${sha256}`;
    if (bytes === size && expected === `sha256:${sha256}`) return sha256;
    throw new GithubFailure(200, "the file is not the one that the release tells of");
  } catch (error) {
    await rm(file, { force: true });
    throw body.errored === null ? error : new GithubFailure(0, String(body.errored.message));
  }
}

function byId(list: readonly JsonObject[]): JsonObject[] {
  return list.toSorted((a, b) => Number(a.id) - Number(b.id));
}
