import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a,b,c,d,e}from"./chunk-OVWGRINK.js";import"./chunk-L65XLEUB.js";import"./chunk-WLGPINEK.js";export{a as ChlorocryptError,b as chlorocryptSize,d as decryptChlorocrypt,c as encryptChlorocrypt,e as verifyChlorocrypt};
