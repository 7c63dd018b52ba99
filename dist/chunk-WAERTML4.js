import{a as t}from"./chunk-HQAFKL2P.js";async function n(e,o){try{return await o()}catch(r){throw e?.aborted!==!0||r instanceof t?r:new t("aborted","Stopped.",{cause:r})}}export{n as a};
