import{a}from"./chunk-KMLK5LLA.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as openStore};
