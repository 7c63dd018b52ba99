#!/usr/bin/env node
var[s=0,n=0]=process.versions.node.split(".").map(Number);if(s<22||s===22&&n<19)process.stderr.write(`restbackup: This is Node ${process.versions.node}; restbackup needs Node 22.19 or later.
`),process.exitCode=1;else{let e=process.argv.slice(2);import("./chunk-DULA6PKV.js").then(({startThreads:r})=>(r(e),import("./chunk-MIOEIHIT.js").then(({run:o})=>o(e))))}
