import { fileURLToPath } from "node:url";
import { RestbackupError } from "../errors.ts";
import type { Environment } from "./proxy.ts";
import type { RetryPolicy } from "./retry.ts";
import type { Store } from "./store.ts";

/** How a store is opened. */
export interface OpenStoreOptions {
  /** Environment variables, for the proxy settings `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`. */
  readonly env?: Environment;
  /** Makes the folder of a `file:///` store when it is missing: given when something is to be put. */
  readonly create?: boolean;
  /** How patiently a server is asked again; by default 5 times, after 1 s, 2 s, 4 s, ... */
  readonly retry?: RetryPolicy;
  /** Told once, in a sentence, when a server sends no parts of objects and they are read whole. */
  readonly onWhole?: (notice: string) => void;
}

const KINDS = "https://USERNAME:PASSWORD@HOST/ or file:///path/to/folder";

/**
 * Opens the store a url names (DESIGN.md, "Stores, by url"). Throws `usage` for a url that names
 * none, without repeating it, since it may hold a password; `not-found` for a folder that is not
 * there, unless `create`.
 */
export async function openStore(url: string, options: OpenStoreOptions = {}): Promise<Store> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case "https":
    case "http": {
      // Only the kind that is needed is loaded.
      const { BackupApiStore } = await import("./backup-api.ts");
      return new BackupApiStore(url, options);
    }
    case "file": {
      const { openDirectoryStore } = await import("./directory.ts");
      return await openDirectoryStore(folderOf(url), { create: options.create ?? false });
    }
    case "s3":
    case "github-release":
      throw new RestbackupError("usage", `Stores at ${scheme}:// are not built yet.`, {
        hint: `This version of restbackup stores at ${KINDS}.`,
      });
    case undefined:
      throw new RestbackupError("usage", "The store is not a url.", {
        hint: `Write ${KINDS}: for a folder, file:// and its absolute path.`,
      });
    default:
      throw new RestbackupError("usage", "There is no kind of store for this url.", {
        hint: `Write ${KINDS}.`,
      });
  }
}

function folderOf(url: string): string {
  try {
    const parsed = new URL(url);
    if (!/^file:\/\//i.test(url) || parsed.search !== "" || parsed.hash !== "")
      throw new TypeError();
    return fileURLToPath(parsed);
  } catch {
    throw new RestbackupError(
      "usage",
      "The file: url of the store names no folder of this machine.",
      {
        hint: 'Write file:///path/to/folder: three slashes, and "%20" for a space.',
      },
    );
  }
}
