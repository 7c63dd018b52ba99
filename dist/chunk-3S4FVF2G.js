import{a}from"./chunk-V7LHO3PB.js";import"./chunk-WKKLSEHR.js";export{a as ProgressMeter};
