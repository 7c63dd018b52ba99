#!/usr/bin/env node
import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import e from"node:process";var[r=0,o=0]=e.versions.node.split(".").map(Number);r<22||r===22&&o<19?(e.stderr.write(`restbackup: This is Node ${e.versions.node}; restbackup needs Node 22.19 or later.
`),e.exitCode=1):import("./chunk-ICPKVPKO.js").then(({run:s})=>s(e.argv.slice(2)));
