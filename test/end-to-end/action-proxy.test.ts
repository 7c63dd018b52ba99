import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { generateIdentity } from "../../src/encryption/keys.ts";
import { startCacheV2 } from "../support/cache-services.ts";
import { startServer, type TestServer, temporaryFolder } from "../support/server.ts";
import { startTunnelProxy, type TunnelProxy } from "../support/tunnel-proxy.ts";
import { runAction } from "./harness.ts";
import { makeTree, treeOf } from "./tree.ts";

const LOGIN = "runner:pr0xyPassw0rd";
/** A name of the server that its certificate is for. */
const INSIDE = "localhost";

let server: TestServer;
let proxy: TunnelProxy;
let workspace: string;

beforeAll(async () => {
  server = await startServer({ tls: true });
  proxy = await startTunnelProxy(LOGIN);
  workspace = fs.realpathSync(temporaryFolder("proxy"));
});

afterAll(async () => {
  await proxy?.close();
  await server?.close();
  fs.rmSync(workspace, { recursive: true, force: true });
});

it.each(["https_proxy", "HTTPS_PROXY"])(
  "a self-hosted runner behind a proxy backs up and restores through it, as %s says",
  async (variable) => {
    const name = variable === "https_proxy" ? "lower" : "upper";
    const { identity } = await generateIdentity();
    const common = {
      "access-url": server.accessUrl.replace("127.0.0.1", INSIDE),
      key: identity,
      name,
    };
    const env = {
      [variable]: `http://${LOGIN}@127.0.0.1:${proxy.port}`,
      NODE_EXTRA_CA_CERTS: server.caFile!,
      RUNNER_ENVIRONMENT: "self-hosted",
    };
    fs.mkdirSync(path.join(workspace, name));
    makeTree(path.join(workspace, name, "tree"));
    const before = proxy.tunnels.length;
    const step = (folder: "." | "restore", more: Record<string, string>) =>
      runAction(folder, { with: { ...common, ...more }, workspace, env });
    const stored = await step(".", { path: `${name}/tree` });
    expect(stored.annotations).toEqual([]);
    const back = await step("restore", { path: `${name}/restored` });
    expect(back.annotations).toEqual([]);
    expect(back.outputs.entry).toBe(stored.outputs.entry);
    expect(treeOf(path.join(workspace, name, "restored"))).toEqual(
      treeOf(path.join(workspace, name, "tree")),
    );
    const used = proxy.tunnels.slice(before);
    expect(used.length).toBeGreaterThanOrEqual(2);
    expect(new Set(used)).toEqual(new Set([`${INSIDE}:${server.port}`]));
    for (const run of [stored, back]) expect(run.log + run.summary).not.toContain("pr0xyPassw0rd");
  },
);

it("the cache of GitHub Actions is reached through the proxy too", async () => {
  // For hosts of this domain the package downloads in parts, several at once.
  const host = "results.blob.core.windows.net";
  const [cert, key] = ["cert.pem", "key.pem"].map((file) => path.join(workspace, file));
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-nodes", "-days", "2", "-subj", `/CN=${host}`],
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-addext", `subjectAltName=DNS:${host}`, "-keyout", key!, "-out", cert!],
    ],
    { stdio: "pipe" },
  );
  const cache = await startCacheV2({
    host,
    cert: fs.readFileSync(cert!),
    key: fs.readFileSync(key!),
  });
  try {
    const { identity } = await generateIdentity();
    fs.mkdirSync(path.join(workspace, "cached"));
    makeTree(path.join(workspace, "cached", "tree"));
    fs.writeFileSync(path.join(workspace, "cached", "tree", "big"), randomBytes(9_000_000));
    const authorities = path.join(workspace, "authorities.pem");
    fs.writeFileSync(authorities, fs.readFileSync(server.caFile!) + fs.readFileSync(cert!, "utf8"));
    const step = (folder: "." | "restore", to: string) =>
      runAction(folder, {
        with: {
          "access-url": server.accessUrl,
          key: identity,
          name: "cached",
          path: to,
          cache: "true",
        },
        workspace,
        env: {
          ...cache.env,
          https_proxy: `http://${LOGIN}@127.0.0.1:${proxy.port}`,
          no_proxy: "127.0.0.1",
          NODE_EXTRA_CA_CERTS: authorities,
        },
      });
    const before = proxy.tunnels.length;
    expect((await step(".", "cached/tree")).log).toContain("Cache: saved 1 volume");
    const back = await step("restore", "cached/restored");
    expect(back.outputs["cache-hit"], back.log).toBe("true");
    const port = new URL(cache.env.ACTIONS_RESULTS_URL!).port;
    expect(new Set(proxy.tunnels.slice(before))).toEqual(new Set([`${host}:${port}`]));
  } finally {
    await cache.close();
  }
});

it("a proxy that does not let the step through is named as the cause, without its password", async () => {
  const { identity } = await generateIdentity();
  fs.mkdirSync(path.join(workspace, "refused"));
  makeTree(path.join(workspace, "refused", "tree"));
  const run = await runAction(".", {
    with: { "access-url": server.accessUrl, key: identity, name: "refused", path: "refused/tree" },
    workspace,
    env: {
      https_proxy: `http://runner:wr0ngPassw0rd@127.0.0.1:${proxy.port}`,
      NODE_EXTRA_CA_CERTS: server.caFile!,
    },
  });
  expect(run.exitCode).toBe(1);
  expect(run.annotations).toHaveLength(1);
  expect(run.annotations[0]!.message).toMatch(/proxy/i);
  expect(run.log).not.toContain("wr0ngPassw0rd");
});
