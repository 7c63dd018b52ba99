const {setFlagsFromString:o}=process.getBuiltinModule("node:v8");import"./chunk-WKKLSEHR.js";function r(){o("--semi-space-growth-factor=1")}export{r as collectOften};
