import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{g as a,h as b}from"./chunk-CLI4XN47.js";import"./chunk-BXIXJNEY.js";import"./chunk-OO76UJRD.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{b as DirectoryStore,a as openDirectoryStore};
