import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a as r}from"./chunk-HS3WN4ZH.js";import"./chunk-WLGPINEK.js";function i(e){if(e.includes("--help")||e.includes("-h"))return;let[o]=e;o==="backup"?(r("pack-worker"),r("archive-worker")):o==="restore"&&r("restore-worker")}export{i as startThreads};
