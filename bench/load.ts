import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export interface Load {
  readonly direction: "upload" | "download";
  /** Connections at once. */
  readonly clients: number;
  readonly port: number;
  readonly tls: boolean;
  /** One request each. */
  readonly paths: readonly string[];
  /** What is uploaded; downloads are checked to have its size. */
  readonly file: string;
  /** Of the file, in bytes. */
  readonly size: number;
  /** `USER:PASSWORD`. */
  readonly credentials: string | null;
  readonly caFile: string;
}

const PROGRAM = fileURLToPath(new URL("load.py", import.meta.url));

/** Does all requests in a process of its own; gives seconds. Throws when one fails. */
export async function runLoad(load: Load): Promise<number> {
  const child = spawn("python3", [PROGRAM], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.end(JSON.stringify(load));
  const [seconds, complaint, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, "exit"),
  ]);
  if (code !== 0) throw new Error(`The load ended with ${code}: ${complaint}`);
  return Number(seconds);
}
