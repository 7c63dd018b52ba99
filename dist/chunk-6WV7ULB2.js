import{a}from"./chunk-5KP5L45N.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as openStore};
