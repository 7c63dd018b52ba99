import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
function e(...r){for(let{buffer:f}of r)f instanceof ArrayBuffer&&f.byteLength>Buffer.poolSize&&f.transfer(0)}export{e as a};
