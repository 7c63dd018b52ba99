import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c}from"./chunk-3S3NNO47.js";import"./chunk-RVGHVEYW.js";import"./chunk-74D535FL.js";import"./chunk-DL65OX5T.js";export{a as parseDuration,b as parseSize,c as parseTime};
