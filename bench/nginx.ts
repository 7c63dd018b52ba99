import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface Nginx {
  readonly ports: { readonly http: number; readonly https: number };
  /** Where what is uploaded lies, and what is downloaded. */
  readonly root: string;
  stop(): Promise<void>;
}

/**
 * The installed nginx as its own documentation sets it up for speed: static files by sendfile,
 * WebDAV PUT without a copy (the temporary files are on the same disk), no log.
 */
export async function startNginx(
  folder: string,
  certificate: { readonly cert: string; readonly key: string },
): Promise<Nginx> {
  const root = join(folder, "root");
  mkdirSync(root, { recursive: true });
  const [httpPort, httpsPort] = [await freePort(), await freePort()];
  const configuration = join(folder, "nginx.conf");
  writeFileSync(
    configuration,
    `user root;
worker_processes auto;
daemon off;
pid ${folder}/pid;
error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  client_max_body_size 0;
  client_body_buffer_size 1m;
  client_body_temp_path ${folder}/body;
  server {
    listen 127.0.0.1:${httpPort};
    listen 127.0.0.1:${httpsPort} ssl;
    ssl_certificate ${certificate.cert};
    ssl_certificate_key ${certificate.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    root ${root};
    location / { dav_methods PUT; }
  }
}
`,
  );
  const nginx = spawn("nginx", ["-c", configuration, "-p", folder], { stdio: "ignore" });
  const exited = once(nginx, "exit");
  const http = `http://127.0.0.1:${httpPort}`;
  for (let attempt = 0; !(await isUp(http)); attempt += 1) {
    if (attempt === 100) throw new Error(readFileSync(join(folder, "error.log"), "utf8"));
    await sleep(50);
  }
  return {
    ports: { http: httpPort, https: httpsPort },
    root,
    async stop() {
      nginx.kill("SIGTERM");
      await exited;
    },
  };
}

async function isUp(url: string): Promise<boolean> {
  return await fetch(url).then(
    (response) => response.arrayBuffer().then(() => true),
    () => false,
  );
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}
