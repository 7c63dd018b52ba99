import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-OZ7DQDEX.js";import"./chunk-ZYIRDZCQ.js";import"./chunk-DQG73SSZ.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-DL65OX5T.js";export{a as TrustedClock,c as acceptClock,b as readClock};
