import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
async function s(e,o){let{loadingStore:r,savingStore:a}=await import("./chunk-R5RAGJSO.js"),{actionsCache:c}=await import("./chunk-JMLIISZ4.js"),t=c(process.env);return e==="saving"?a(o,t):r(o,t)}export{s as a};
