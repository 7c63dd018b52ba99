import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
import{createHash as a}from"node:crypto";async function n(e){let t=a("sha256");for await(let r of e)t.update(r);return t.digest("hex")}export{n as a};
