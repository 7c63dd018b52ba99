import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{g as a,h as b}from"./chunk-HPFW2ZH3.js";import"./chunk-3PDNRA27.js";import"./chunk-T3AHQMFJ.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{b as DirectoryStore,a as openDirectoryStore};
