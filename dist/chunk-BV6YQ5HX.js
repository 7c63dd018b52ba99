import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
function r(e){return`sha-256=:${Buffer.from(e,"hex").toString("base64")}:`}function t(e){let n=/(?:^|,)\s*sha-256\s*=\s*:([A-Za-z0-9+/]{43}=):\s*(?:;[^,]*)?(?:,|$)/.exec(e??"");return n===null?void 0:Buffer.from(n[1],"base64").toString("hex")}export{r as a,t as b};
