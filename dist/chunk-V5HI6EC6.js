import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d,e}from"./chunk-2VYQXY2R.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as DEFAULT_RETRY,b as PassingFailure,c as Patience,e as parseRetryAfter,d as withRetries};
