import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a}from"./chunk-GH5QCZKT.js";import"./chunk-L65XLEUB.js";import"./chunk-DL65OX5T.js";export{a as openStore};
