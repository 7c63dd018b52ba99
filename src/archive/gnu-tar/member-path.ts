import { RestbackupError } from "../../errors.ts";
import { printable } from "../../naming.ts";

/** Far beyond what any system takes as a path. */
const MAX_LENGTH = 2 ** 14;

/**
 * A member's name as a path below the folder that is restored to: no leading or trailing slash, no
 * empty, `.` or `..` part; `.` is the folder itself. As GNU tar does, an absolute name counts from
 * that folder. Throws `damaged` for a name with `..`, which could lead out of it.
 */
export function memberPath(name: string): string {
  if (name.length > MAX_LENGTH) {
    throw new RestbackupError("damaged", `The archive holds a name of ${name.length} characters.`);
  }
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new RestbackupError(
      "damaged",
      `The archive holds ${printable(name)}, which leads out of the folder to restore to.`,
    );
  }
  return parts.length === 0 ? "." : parts.join("/");
}

/** The path of the folder that something lies in. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : path.slice(0, slash);
}

/** The path of something in a folder. */
export function within(folder: string, name: string): string {
  return folder === "." ? name : `${folder}/${name}`;
}
