import{a}from"./chunk-ZJBH6V43.js";import"./chunk-SUGN2L4R.js";import"./chunk-HQAFKL2P.js";import"./chunk-WKKLSEHR.js";export{a as createDispatcher};
