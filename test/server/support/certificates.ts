import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
  readonly cert: string;
  readonly key: string;
}

/** A self-signed certificate for localhost and 127.0.0.1, in a folder of its own. */
export function makeCertificate(folder: string, days = 2): TestCertificate {
  mkdirSync(folder, { recursive: true });
  const certFile = join(folder, "fullchain.pem");
  const keyFile = join(folder, "privkey.pem");
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-nodes", "-days", String(days), "-subj", "/CN=localhost"],
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
      ...["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
      ...["-keyout", keyFile, "-out", certFile],
    ],
    { stdio: "pipe" },
  );
  const [cert, key] = [certFile, keyFile].map((file) => readFileSync(file, "utf8"));
  return { certFile, keyFile, cert: cert!, key: key! };
}
