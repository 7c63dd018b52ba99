import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a as e}from"./chunk-2PXT4ILS.js";import"./chunk-WLGPINEK.js";function i(r){r[0]!=="backup"||r.includes("--help")||r.includes("-h")||(e("pack-worker"),e("archive-worker"))}export{i as startThreads};
