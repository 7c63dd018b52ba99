import * as core from "@actions/core";
import { TOKEN_USER } from "../snapshot/git-environment.ts";

/**
 * Makes the runner replace every secret input by `***` in logs from here on. Called before anything
 * else is done with the inputs, because any other line might print them.
 */
export function maskSecrets(accessUrl: string, ...keys: readonly string[]): void {
  const secrets = [...urlSecrets(accessUrl), ...keys.flatMap(textSecrets)];
  for (const secret of new Set(secrets)) core.setSecret(secret);
}

/** The url of a health check: whoever knows its path can report for it. */
export function maskPingUrl(pingUrl: string): void {
  const url = URL.parse(pingUrl);
  const parts = [...(url?.pathname.split("/") ?? []), ...(url?.searchParams.values() ?? [])];
  for (const secret of new Set([...urlSecrets(pingUrl), ...parts])) {
    // Parts as short as "ping" are in every other line, and are no secret.
    if (secret.length >= 8) core.setSecret(secret);
  }
}

/** A token, and how git sends it: in base64, behind the user name that goes with it. */
export function maskToken(token: string): void {
  if (token === "") return;
  const basic = Buffer.from(`${TOKEN_USER}:${token}`).toString("base64");
  for (const secret of [...textSecrets(token), basic]) core.setSecret(secret);
}

/** An access url, and what of it may turn up alone: user, password, and both as HTTP sends them. */
export function urlSecrets(accessUrl: string): string[] {
  // Wider than what is accepted as an access url: a mistyped one holds a password too.
  const userinfo = /^[^:]+:\/\/(.*)@/s.exec(accessUrl)?.[1];
  if (userinfo === undefined) return textSecrets(accessUrl);
  const [user, ...rest] = userinfo.split(":");
  const password = rest.join(":");
  const basic = Buffer.from(userinfo).toString("base64");
  return [...textSecrets(accessUrl), user!, password, basic].filter((secret) => secret !== "");
}

/** A key or passphrase, whole and line by line, as logs and messages hold lines. */
export function textSecrets(text: string): string[] {
  const lines = text.split(/\r\n|\r|\n/).map((line) => line.trim());
  return [...new Set([text.trim(), ...lines])].filter((secret) => secret !== "");
}
