import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d,e,f}from"./chunk-D6V6PBKY.js";import"./chunk-PJ77BUJC.js";import"./chunk-RVGHVEYW.js";import"./chunk-74D535FL.js";import"./chunk-DL65OX5T.js";export{a as SigningKey,b as generateSigningKey,f as isSignedBy,c as parseSigningKey,d as parseTrustedSigners,e as signMessage};
