import{a,b,c}from"./chunk-AURGQSGC.js";import"./chunk-FVL26SAF.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{b as findEntry,c as isLegacy,a as listEntries};
