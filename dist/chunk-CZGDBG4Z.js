import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{Worker as s}from"node:worker_threads";var i={maxYoungGenerationSizeMb:6};function u(r,t,e=[]){let n=import.meta.url.endsWith(".ts")?"ts":"js",o=new URL(`./${r}.${n}`,import.meta.url);return new s(o,{workerData:t,transferList:e,resourceLimits:i,execArgv:[]})}export{u as a};
