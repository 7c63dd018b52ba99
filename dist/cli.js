#!/usr/bin/env node
import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import e from"node:process";var[s=0,t=0]=e.versions.node.split(".").map(Number);if(s<22||s===22&&t<19)e.stderr.write(`restbackup: This is Node ${e.versions.node}; restbackup needs Node 22.19 or later.
`),e.exitCode=1;else{let r=e.argv.slice(2);import("./chunk-CA6CYTC5.js").then(({startThreads:o})=>(o(r),import("./chunk-ZS45DWJH.js").then(({run:n})=>n(r))))}
