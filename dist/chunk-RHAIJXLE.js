import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d,e,f}from"./chunk-7H2JPQ3K.js";import"./chunk-OKPHGWFU.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as SigningKey,b as generateSigningKey,f as isSignedBy,c as parseSigningKey,d as parseTrustedSigners,e as signMessage};
