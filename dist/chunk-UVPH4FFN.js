import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a}from"./chunk-XQX6EJKR.js";import"./chunk-74D535FL.js";import"./chunk-DL65OX5T.js";export{a as parseAccessUrl};
