import os from "node:os";
import path from "node:path";
import { RestbackupError } from "../errors.ts";
import type { Environment } from "./context.ts";

/** Where a platform keeps what belongs to one user. */
interface Place {
  readonly platform: NodeJS.Platform;
  readonly env: Environment;
  /** The home folder as the system knows it; may throw. */
  readonly home: () => string;
}

const HERE: Omit<Place, "env"> = { platform: process.platform, home: systemHome };

/** The key file of this user, whether it exists or not. Throws `usage` where there is no home. */
export function defaultKeyFile(env: Environment, place: Omit<Place, "env"> = HERE): string {
  return join(configFolder({ ...place, env }), "key.txt", place.platform);
}

/** The folder of the embedded store, whether it exists or not. Throws `usage` likewise. */
export function defaultStoreFolder(env: Environment, place: Omit<Place, "env"> = HERE): string {
  return join(dataFolder({ ...place, env }), "store", place.platform);
}

function configFolder(place: Place): string {
  return userFolder(place, "XDG_CONFIG_HOME", [".config"], "APPDATA", ["AppData", "Roaming"]);
}

function dataFolder(place: Place): string {
  return userFolder(place, "XDG_DATA_HOME", [".local", "share"], "LOCALAPPDATA", [
    "AppData",
    "Local",
  ]);
}

function userFolder(
  place: Place,
  xdgVariable: string,
  xdgDefault: readonly string[],
  windowsVariable: string,
  windowsDefault: readonly string[],
): string {
  const { platform, env } = place;
  const { isAbsolute } = platform === "win32" ? path.win32 : path.posix;
  const parts = (): readonly string[] => {
    if (platform === "win32") return windowsDefault;
    return platform === "darwin" ? ["Library", "Application Support"] : xdgDefault;
  };
  const variable = platform === "win32" ? windowsVariable : xdgVariable;
  const given = platform === "darwin" ? undefined : env[variable];
  // XDG Base Directory Specification: a path that is not absolute is to be ignored.
  const base =
    given !== undefined && isAbsolute(given)
      ? given
      : [homeFolder(place, isAbsolute), ...parts()].join(platform === "win32" ? "\\" : "/");
  return join(base, "restbackup", platform);
}

function homeFolder({ home }: Place, isAbsolute: (path: string) => boolean): string {
  let folder = "";
  try {
    folder = home();
  } catch {
    // No entry for this user: said below.
  }
  if (isAbsolute(folder)) return folder;
  throw new RestbackupError("usage", "This user has no home folder to keep a store or key in.", {
    hint: "Set HOME, or name both: --store (or RESTBACKUP_ACCESS_URL) and --key-file (or RESTBACKUP_KEY).",
  });
}

/** HOME where it is set, else what the user database says: cron jobs often have no HOME. */
function systemHome(): string {
  const home = os.homedir();
  return path.isAbsolute(home) ? home : os.userInfo().homedir;
}

function join(folder: string, name: string, platform: NodeJS.Platform): string {
  return (platform === "win32" ? path.win32 : path.posix).join(folder, name);
}
