import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{g as a,h as b}from"./chunk-JAJOBRNH.js";import"./chunk-3PDNRA27.js";import"./chunk-DQG73SSZ.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-DL65OX5T.js";export{b as DirectoryStore,a as openDirectoryStore};
