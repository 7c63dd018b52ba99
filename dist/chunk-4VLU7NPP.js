import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-J26FSHC5.js";import"./chunk-UWB6S24V.js";import"./chunk-D3VI3KGS.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as TrustedClock,c as acceptClock,b as readClock};
