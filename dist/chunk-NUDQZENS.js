import{a,b,c,d,e}from"./chunk-RH3SGVQT.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as DEFAULT_RETRY,b as PassingFailure,c as Patience,e as parseRetryAfter,d as withRetries};
