#!/usr/bin/env node
// The first thing that runs. It imports nothing that an old Node lacks (zstd in node:zlib came with
// 22.15, the HTTP client needs 22.19), so that an old Node gets a sentence and not a stack trace.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(
    `restbackup: This is Node ${process.versions.node}; restbackup needs Node 22.19 or later.\n`,
  );
  process.exitCode = 1;
} else {
  const args = process.argv.slice(2);
  import("./ahead.ts").then(({ startThreads }) => {
    startThreads(args);
    return import("./run.ts").then(({ run }) => run(args));
  });
}
