import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{a as t}from"./chunk-L65XLEUB.js";async function n(e,o){try{return await o()}catch(r){throw e?.aborted!==!0||r instanceof t?r:new t("aborted","Stopped.",{cause:r})}}export{n as a};
