import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d}from"./chunk-SVAQJU7Z.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{c as checkToken,d as githubAddresses,a as parseRepository,b as parseServerUrl};
