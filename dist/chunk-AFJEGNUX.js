import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b}from"./chunk-FNIJ44PJ.js";import"./chunk-ILONVSZK.js";import"./chunk-U3P4CG5M.js";import"./chunk-CMCPXEKT.js";import"./chunk-RVGHVEYW.js";import"./chunk-74D535FL.js";import"./chunk-DL65OX5T.js";export{b as Accounts,a as createAccount};
