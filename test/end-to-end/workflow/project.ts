import fs from "node:fs";
import path from "node:path";

/** A project as the gallery's workflows expect one: `npm ci`, and scripts that really do something. */
export const WEBSITE: Readonly<Record<string, string>> = {
  ...npmFiles({ name: "website", scripts: scripts("build", "test", "deploy") }),
  "pages/index.html": "<h1>Hello</h1>\n",
  "build.js": `
    const fs = require("node:fs");
    fs.mkdirSync("dist/assets/empty", { recursive: true });
    for (const page of fs.readdirSync("pages")) {
      fs.copyFileSync("pages/" + page, "dist/" + page);
    }
    fs.writeFileSync("dist/target.txt", process.env.TARGET ?? "any");
    fs.writeFileSync("dist/assets/app.js", "#!/usr/bin/env node\\n".repeat(50_000), { mode: 0o755 });
    fs.writeFileSync("dist/assets/app.js.map", "{}");
    fs.symlinkSync("app.js", "dist/assets/latest.js");`,
  "test.js": `
    const page = require("node:fs").readFileSync("dist/index.html", "utf8");
    if (!page.startsWith("<h1>")) throw new Error("not a page");`,
  // What is live is in the folder of the runner's user.
  "deploy.js": `
    if (process.env.DEPLOY_TOKEN !== "deploy-token-1234") throw new Error("who are you?");
    require("node:child_process").execFileSync("cp", ["-a", "dist", process.env.HOME + "/live"]);`,
};

/** Two packages in one repository. */
export const MONOREPO: Readonly<Record<string, string>> = {
  ...npmFiles({ name: "shop", workspaces: ["packages/*"] }, ["api", "web"]),
  "README.md": "# Shop\n",
  ...packageFiles("api"),
  ...packageFiles("web"),
};

function packageFiles(name: string): Record<string, string> {
  const file = { name, version: "1.0.0", scripts: scripts("build") };
  return {
    [`packages/${name}/package.json`]: JSON.stringify(file),
    [`packages/${name}/source.txt`]: `${name}, the first\n`,
    [`packages/${name}/build.js`]: `
      const fs = require("node:fs");
      fs.mkdirSync("dist");
      fs.copyFileSync("source.txt", "dist/built.txt");`,
  };
}

function scripts(...names: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name) => [name, `node ${name}.js`]));
}

/** package.json and the lock that `npm ci` asks for, of no packages but those of the repository. */
function npmFiles(project: object, packages: readonly string[] = []): Record<string, string> {
  const linked = packages.flatMap((name) => [
    [`node_modules/${name}`, { resolved: `packages/${name}`, link: true }],
    [`packages/${name}`, { version: "1.0.0" }],
  ]);
  const lock = { lockfileVersion: 3, packages: { "": project, ...Object.fromEntries(linked) } };
  return {
    "package.json": JSON.stringify(project),
    "package-lock.json": JSON.stringify(lock),
    ".gitignore": "dist\nnode_modules\n",
  };
}

/** Writes files below a folder. */
export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
  }
}
