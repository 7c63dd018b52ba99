import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-XLW74OXH.js";import"./chunk-U52BTU4I.js";import"./chunk-OO76UJRD.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as TrustedClock,c as acceptClock,b as readClock};
