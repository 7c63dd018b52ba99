import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{setFlagsFromString as e}from"node:v8";function t(...o){for(let{buffer:r}of o)r instanceof ArrayBuffer&&r.byteLength>Buffer.poolSize&&r.transfer(0)}function n(){e("--semi-space-growth-factor=1")}export{t as a,n as b};
