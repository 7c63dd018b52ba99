import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{Worker as o}from"node:worker_threads";var s={maxYoungGenerationSizeMb:6};function m(r,t){let e=import.meta.url.endsWith(".ts")?"ts":"js",n=new URL(`./${r}.${e}`,import.meta.url);return new o(n,{workerData:t,resourceLimits:s,execArgv:[]})}export{m as a};
