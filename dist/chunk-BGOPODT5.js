import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b}from"./chunk-XCSBXZFE.js";import"./chunk-RVGHVEYW.js";import"./chunk-74D535FL.js";import"./chunk-DL65OX5T.js";export{b as findEntry,a as listEntries};
