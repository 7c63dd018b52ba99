import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d}from"./chunk-SGJACPDU.js";import"./chunk-OKLYWTHX.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as parseDuration,c as parsePercent,b as parseSize,d as parseTime};
