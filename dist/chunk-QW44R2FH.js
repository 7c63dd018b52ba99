import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a}from"./chunk-A2EHOSR3.js";import"./chunk-5GE7BJNW.js";import"./chunk-L65XLEUB.js";import"./chunk-DL65OX5T.js";export{a as createPinger};
