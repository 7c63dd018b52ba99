import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{g as a,h as b}from"./chunk-VJ3JGVKH.js";import"./chunk-TGBHA6W6.js";import"./chunk-D3VI3KGS.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{b as DirectoryStore,a as openDirectoryStore};
