import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{setFlagsFromString as e}from"node:v8";function f(...r){for(let{buffer:o}of r)o instanceof ArrayBuffer&&o.byteLength>Buffer.poolSize&&o.transfer(0)}function i(){e("--semi-space-growth-factor=1")}function n(){e("--initial-heap-size=64")}export{f as a,i as b,n as c};
