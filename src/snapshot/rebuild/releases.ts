import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "../github/json.ts";
import { quoted } from "./quote.ts";
import type { SnapshotFolder } from "./snapshot-folder.ts";
import type { Target } from "./target.ts";

export interface Releases {
  readonly releases: number;
  readonly assets: number;
  /** Files that the snapshot does not have. */
  readonly missing: readonly string[];
}

/** Our own names: nothing that leads elsewhere. */
const ASSET_FILE = /^releases\/assets\/[\w.-]+$/;

/** Releases with their files. Each is a draft until all its files are there. */
export async function putReleases(target: Target, snapshot: SnapshotFolder): Promise<Releases> {
  const there = new Map<string, JsonObject>();
  for await (const release of target.items("/releases")) {
    there.set(String(release.tag_name), release);
  }
  const missing: string[] = [];
  let releases = 0;
  let assets = 0;
  for await (const release of snapshot.lines("releases/releases")) {
    const tag = String(release.tag_name);
    const found = there.get(tag) ?? (await createDraft(target, release));
    const present = new Map((found.assets as JsonObject[]).map((one) => [String(one.name), one]));
    for (const asset of release.assets as JsonObject[]) {
      const file = await fileOf(snapshot, asset);
      if (file === undefined) missing.push(`${tag}/${asset.name}`);
      else {
        await putAsset(target, found, asset, file, present.get(String(asset.name)));
        assets++;
      }
    }
    if (release.draft !== true && found.draft === true) {
      await target.change("PATCH", "/releases/{release_id}", {
        release_id: found.id,
        draft: false,
        tag_name: tag,
      });
    }
    releases++;
  }
  return { releases, assets, missing };
}

async function createDraft(target: Target, release: JsonObject): Promise<JsonObject> {
  const { tag_name, target_commitish, name, prerelease, author, published_at } = release;
  const said = release.draft === true ? "Drafted" : "Released";
  const created_at = published_at ?? release.created_at;
  const body = quoted(said, { ...release, user: author, created_at })[0]!;
  return await target.change("POST", "/releases", {
    ...{ tag_name, target_commitish, prerelease, body },
    ...(typeof name === "string" ? { name } : {}),
    draft: true,
  });
}

async function putAsset(
  target: Target,
  release: JsonObject,
  asset: JsonObject,
  file: string,
  present: JsonObject | undefined,
): Promise<void> {
  const { size } = await stat(file);
  if (present !== undefined) {
    if (present.state === "uploaded" && present.size === size) return;
    // What is left of an upload that was broken off stands in the way of the next.
    await target.change("DELETE", "/releases/assets/{asset_id}", { asset_id: present.id });
  }
  const url = new URL(String(release.upload_url).replace(/\{[^}]*\}$/, ""));
  url.searchParams.set("name", String(asset.name));
  if (typeof asset.label === "string" && asset.label !== "") {
    url.searchParams.set("label", asset.label);
  }
  const type = String(asset.content_type ?? "application/octet-stream");
  await target.pause();
  await target.github.upload(url.href, createReadStream(file), size, type);
}

async function fileOf(snapshot: SnapshotFolder, { file }: JsonObject) {
  if (typeof file !== "string" || !ASSET_FILE.test(file)) return undefined;
  return (await snapshot.has(join("metadata", file)))
    ? join(snapshot.path, "metadata", file)
    : undefined;
}
