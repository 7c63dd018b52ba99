#!/usr/bin/env node
import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import e from"node:process";var[o=0,i=0]=e.versions.node.split(".").map(Number);if(o<22||o===22&&i<19)e.stderr.write(`restbackup: This is Node ${e.versions.node}; restbackup needs Node 22.19 or later.
`),e.exitCode=1;else{let s=e.argv.slice(2);import("./chunk-I46Q7WWT.js").then(({startThreads:r})=>r(s)),import("./chunk-S4MBDMED.js").then(({run:r})=>r(s))}
