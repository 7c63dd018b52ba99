import { fileURLToPath } from "node:url";
import { type Measured, measure } from "../../bench/measure.ts";
import type { TestServer } from "./server.ts";

const CLI = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** Runs the built command line against a server, with a key, as a user would. */
export function restbackup(
  server: Pick<TestServer, "accessUrl" | "caFile">,
  key: string,
  args: readonly string[],
): Promise<Measured> {
  return measure(process.execPath, [CLI, ...args], {
    env: {
      PATH: process.env.PATH,
      HOME: "/nonexistent",
      RESTBACKUP_ACCESS_URL: server.accessUrl,
      RESTBACKUP_KEY: key,
      ...(server.caFile === undefined ? {} : { NODE_EXTRA_CA_CERTS: server.caFile }),
    },
  });
}

/**
 * Fetches what a url lists under an entry and unpacks it with stock tools alone, as
 * docs/disaster.md says: curl, age, zstd, tar, and cat in name order.
 */
export function stockRestore(
  server: TestServer,
  options: { readonly entry: string; readonly keyFile: string; readonly to: string },
): Promise<Measured> {
  const script = `
    cd "$TO"
    fetch() { curl -sSf --cacert "$CA" -u "$LOGIN" "$URL$1"; }
    names=$(fetch "" | tr '{' '\\n' | grep -o "/$ENTRY[^\\"]*" | sed 's|^/||' | sort)
    for name in $names; do fetch "$name"; done | age -d -i "$KEYFILE" | zstd -q -d | tar xp`;
  return measure("bash", ["-euo", "pipefail", "-c", script], {
    env: {
      PATH: process.env.PATH,
      TO: options.to,
      CA: server.caFile ?? "",
      LOGIN: `${server.username}:${server.password}`,
      URL: server.url,
      ENTRY: options.entry,
      KEYFILE: options.keyFile,
    },
  });
}
