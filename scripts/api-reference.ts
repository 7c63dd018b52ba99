import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Extractor, ExtractorConfig, ExtractorLogLevel } from "@microsoft/api-extractor";
import { ApiPackage } from "@microsoft/api-extractor-model";
import { referenceOf } from "./api-reference/page.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PAGE = path.join(ROOT, "docs", "api.md");

/**
 * The API reference as Markdown, made of the type declarations that the package is published with.
 * Throws for a docstring that cannot be read, and for a type that is part of the API and not
 * exported: nobody could name it.
 */
export function apiReference(): string {
  // API Extractor wants a project on disk; what it writes stays apart.
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "restbackup-api-")));
  try {
    for (const name of ["package.json", "node_modules"]) {
      fs.symlinkSync(path.join(ROOT, name), path.join(folder, name));
    }
    const lib = path.join(folder, "lib");
    execFileSync(process.execPath, [
      path.join(ROOT, "node_modules", "typescript", "bin", "tsc"),
      ...["-p", path.join(ROOT, "tsconfig.lib.json"), "--outDir", lib, "--emitDeclarationOnly"],
    ]);
    return referenceOf(modelOf(folder));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function modelOf(folder: string): ApiPackage {
  const model = path.join(folder, "api.json");
  const complaints: string[] = [];
  const config = ExtractorConfig.prepare({
    configObjectFullPath: path.join(folder, "api-extractor.json"),
    packageJsonFullPath: path.join(folder, "package.json"),
    configObject: {
      projectFolder: folder,
      mainEntryPointFilePath: path.join(folder, "lib", "index.d.ts"),
      compiler: {
        overrideTsconfig: {
          compilerOptions: {
            ...{ target: "es2024", lib: ["esnext"], types: ["node"], skipLibCheck: true },
            ...{ module: "nodenext", moduleResolution: "nodenext", strict: true },
          },
          include: ["lib/index.d.ts"],
        },
      },
      apiReport: { enabled: false },
      docModel: { enabled: true, apiJsonFilePath: model, projectFolderUrl: "" },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
    },
  });
  Extractor.invoke(config, {
    localBuild: true,
    messageCallback: (message) => {
      const matters = /^(ae-forgotten-export|ae-unresolved-link|tsdoc-(?!undefined-tag))/;
      if (matters.test(message.messageId) || message.logLevel === ExtractorLogLevel.Error) {
        const { sourceFilePath: file, sourceFileLine: line, text } = message;
        complaints.push(`${file ?? ""}:${line ?? ""} ${message.messageId}: ${text}`);
      }
      message.handled = true;
    },
  });
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
  return ApiPackage.loadFromJsonFile(model);
}

if (import.meta.main) fs.writeFileSync(PAGE, apiReference());
