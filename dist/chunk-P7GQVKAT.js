const {createHash:a}=process.getBuiltinModule("node:crypto");async function n(e){let t=a("sha256");for await(let r of e)t.update(r);return t.digest("hex")}export{n as a};
