import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates } from "node:tls";

/** Environment variables. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface GitIdentity {
  /** Of the server, without credentials: `https://github.com`. */
  readonly serverUrl: string;
  /** A secret; undefined for a repository that everybody may read. */
  readonly token: string | undefined;
}

/** The user name that GitHub documents for tokens; any would do. */
export const TOKEN_USER = "x-access-token";

/** Where git finds the token: in its own environment, which other users cannot read. */
const TOKEN_VARIABLE = "RESTBACKUP_GIT_TOKEN";

/** What git needs of the machine: programs, temporary files, the way to the network. */
const KEPT =
  /^(PATH|PATHEXT|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|TEMP|TMP|TMPDIR|LD_LIBRARY_PATH|GIT_EXEC_PATH|(HTTP|HTTPS|ALL|NO)_PROXY|SSL_CERT_(FILE|DIR)|GIT_SSL_CA(INFO|PATH))$/i;

/**
 * Answers git's and git-lfs's questions for a password from the environment. It is run by git's
 * shell, where `test` and `printf` are builtin: the token is in no argument of any process.
 */
const HELPER = `!f() { test "$1" = get && printf 'username=%s\\npassword=%s\\n' ${TOKEN_USER} "$${TOKEN_VARIABLE}"; }; f`;

/**
 * Settings that decide how objects are packed, so that equal repositories give equal bundles
 * whatever this machine is like. Several threads would share the search for deltas out differently
 * each time; a bitmap would let the walk skip parts.
 */
const PACKING: readonly Setting[] = [
  ["pack.threads", "1"],
  ["pack.window", "10"],
  ["pack.depth", "50"],
  ["pack.windowMemory", "256m"],
  ["pack.compression", "6"],
  ["pack.useBitmaps", "false"],
  ["pack.packSizeLimit", "0"],
  ["core.bigFileThreshold", "64m"],
  ["repack.writeBitmaps", "false"],
  ["repack.useDeltaBaseOffset", "true"],
  ["gc.auto", "0"],
  ["maintenance.auto", "false"],
];

const TRANSFER: readonly Setting[] = [
  // A connection on which nothing moves for ten minutes has died.
  ["http.lowSpeedLimit", "1"],
  ["http.lowSpeedTime", "600"],
  // What a repository says in .lfsconfig starts no program of this machine.
  ["lfs.basictransfersonly", "true"],
  ["lfs.locksverify", "false"],
];

type Setting = readonly [key: string, value: string];

/**
 * All variables for git processes. Nothing of the machine's or user's git settings, credentials,
 * hooks or traces gets in. `home` is an existing folder of ours: curl looks for .netrc there.
 *
 * The token is offered to the server alone: whatever address a redirect or a file in the repository
 * names, it is never sent elsewhere. A header in the settings would go along, a token in the url
 * would stand in process lists and in the clone's config, and a script for GIT_ASKPASS would be a
 * file to leave behind.
 */
export async function gitEnvironment(
  machine: Environment,
  { serverUrl, token }: GitIdentity,
  home: string,
): Promise<Record<string, string>> {
  const kept = Object.entries(machine).filter(
    (entry): entry is [string, string] => KEPT.test(entry[0]) && entry[1] !== undefined,
  );
  const credentials: readonly Setting[] = [
    ["credential.helper", ""],
    ...(token === undefined ? [] : [[`credential.${serverUrl}.helper`, HELPER] as const]),
  ];
  return {
    ...Object.fromEntries(kept),
    ...(await ourCertificates(machine, home)),
    HOME: home,
    // Messages are read to tell an absent repository from one that may not be read.
    LC_ALL: "C",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "http:https",
    // The objects as they are, not as refs/replace would have them shown.
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_OPTIONAL_LOCKS: "0",
    ...settings([...credentials, ...PACKING, ...TRANSFER]),
    ...(token === undefined ? {} : { [TOKEN_VARIABLE]: token }),
  };
}

/** Settings that are above all files (git-config, "GIT_CONFIG_COUNT"; git 2.31 and later). */
function settings(given: readonly Setting[]): Record<string, string> {
  const pairs = given.flatMap(([key, value], index) => [
    [`GIT_CONFIG_KEY_${index}`, key],
    [`GIT_CONFIG_VALUE_${index}`, value],
  ]);
  return { GIT_CONFIG_COUNT: String(given.length), ...Object.fromEntries(pairs) };
}

/** Lets git trust whom Node was told to trust: the usual way to say so for a step of a workflow. */
async function ourCertificates(
  machine: Environment,
  home: string,
): Promise<Record<string, string>> {
  if (!machine.NODE_EXTRA_CA_CERTS || machine.GIT_SSL_CAINFO) return {};
  const file = join(home, "certificates.pem");
  const all = new Set([...getCACertificates("default"), ...getCACertificates("system")]);
  await writeFile(file, [...all].map((one) => `${one.trim()}\n`).join(""));
  return { GIT_SSL_CAINFO: file };
}
