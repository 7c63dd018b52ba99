import{a}from"./chunk-R5SBBNC5.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as openStore};
