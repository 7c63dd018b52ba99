import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a}from"./chunk-L3OLAO6H.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as openStore};
