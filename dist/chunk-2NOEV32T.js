import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a}from"./chunk-JMI2L4XJ.js";import"./chunk-WLGPINEK.js";export{a as ProgressMeter};
