import{a}from"./chunk-IUZZ4FBI.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as parseAccessUrl};
