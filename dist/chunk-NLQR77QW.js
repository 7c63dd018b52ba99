import{a}from"./chunk-G7PS6VWD.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as openStore};
