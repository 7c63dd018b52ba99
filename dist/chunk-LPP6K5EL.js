import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-GJHN65DO.js";import"./chunk-7FIX2MA4.js";import"./chunk-T3AHQMFJ.js";import"./chunk-CMCPXEKT.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as TrustedClock,c as acceptClock,b as readClock};
