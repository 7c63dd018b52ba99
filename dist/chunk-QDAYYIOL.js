const require=m=>{const own=process.getBuiltinModule(m);if(own)return own;throw new Error("Cannot find module "+m)};const {STATUS_CODES:g}=process.getBuiltinModule("node:http"),{createHash:A}=process.getBuiltinModule("node:crypto"),{STATUS_CODES:D}=process.getBuiltinModule("node:http");import{c as h}from"./chunk-WRGMZZTI.js";import{a as l,b as u}from"./chunk-HQAFKL2P.js";var C=/^text\/html, image\/gif, image\/jpeg, (?:\*; ?q=\.2, )?\*\/\*; ?q=0?\.2$/;function R(e){if(e===void 0||C.test(e))return!1;let t=x(e);return b("text/html",t)>b("application/json",t)}function w(e){return R(e)?"html":x(e??"").some(({type:n,quality:r})=>r>0&&/^application\/(?:.+\+)?json$/.test(n))?"json":"text"}function x(e){return e.split(",").flatMap(t=>{let[n="",...r]=t.split(";").map(s=>s.trim().toLowerCase());if(!/^[^\s/]+\/[^\s/]+$/.test(n))return[];let o=r.findIndex(s=>/^q\s*=/.test(s));if(!(o<0?r:r.slice(0,o)).every(s=>/^(?:charset\s*=\s*"?utf-8"?)?$/.test(s)))return[];let m=o<0?1:H(r[o]);return m===void 0?[]:[{type:n,quality:m}]})}function H(e){let t=/^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.exec(e)?.[1];return t===void 0?void 0:Number(t)}function b(e,t){for(let n of[e,e.replace(/\/.*/,"/*"),"*/*"]){let r=t.filter(o=>o.type===n);if(r.length>0)return Math.max(...r.map(({quality:o})=>o))}return 0}var p=`
:root {
  color-scheme: light dark;
  --paper: #fdfcfa;
  --raised: #f4f2ee;
  --ink: #1d1f21;
  --soft: #5c5f63;
  --line: #dfdcd6;
  --accent: #0b5f54;
  --accent-ink: #ffffff;
  --warn: #8a3b00;
  --warn-paper: #fbeee2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #141617;
    --raised: #1d2022;
    --ink: #e8e6e3;
    --soft: #a5a8ab;
    --line: #33373a;
    --accent: #7fd6c4;
    --accent-ink: #0c2723;
    --warn: #f2b27c;
    --warn-paper: #33231a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto;
  max-width: 72rem;
  padding: 2.5rem 2rem 3rem;
  background: var(--paper);
  color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  font-variant-numeric: tabular-nums;
}
h1, h2, p, ul, ol, pre, table { margin: 0; }
h1 { font-size: 2.125rem; line-height: 1.15; font-weight: 650; letter-spacing: -0.022em; }
h2 { font-size: 1.25rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; }
a { color: var(--accent); text-decoration-thickness: 1px; text-underline-offset: 0.2em; }
a:hover { text-decoration-thickness: 2px; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 3px; border-radius: 3px; }
code, td.file > a, td.file > .name { font-family: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
code { font-size: 0.875em; }
.name { white-space: break-spaces; overflow-wrap: anywhere; }
.unseen { padding: 0 0.2em; border-radius: 3px; background: var(--warn-paper); color: var(--warn); font-size: 0.85em; }
.hidden { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.skip { position: absolute; left: 1rem; top: -5rem; padding: 0.5rem 1rem; background: var(--accent); color: var(--accent-ink); }
.skip:focus { top: 0.75rem; }
.soft { color: var(--soft); }
.flag { display: inline-block; padding: 0 0.5em; border-radius: 1em; background: var(--warn-paper); color: var(--warn); font-size: 0.8125rem; font-weight: 600; }
.host { display: flex; align-items: center; gap: 0.625rem; margin-bottom: 1.25rem; color: var(--soft); }
.host svg { flex: none; width: 1.75rem; height: 1.75rem; border-radius: 7px; }
.lead { margin-top: 0.625rem; max-width: 52rem; color: var(--soft); text-wrap: pretty; }
.lead strong { color: var(--ink); font-weight: 600; }

.session { display: flex; flex-wrap: wrap; align-items: center; gap: 0.75rem 1.5rem; margin-top: 1.5rem; padding: 0.875rem 1.125rem; border: 1px solid var(--line); border-radius: 10px; background: var(--raised); }
.session p { flex: 1 1 18rem; }
button { min-height: 2.5rem; padding: 0.4rem 1rem; border: 1px solid var(--accent); border-radius: 8px; background: transparent; color: var(--accent); font: inherit; font-weight: 600; cursor: pointer; }
button:hover { background: var(--accent); color: var(--accent-ink); }

.names { display: grid; grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 0.625rem 1.5rem; margin-top: 1.75rem; padding: 0.875rem 0; border-block: 1px solid var(--line); list-style: none; }
.names a { display: block; padding: 0.125rem 0; text-decoration: none; }
.names a:hover .name { text-decoration: underline; }
.names .name { font-weight: 600; }
.names .soft { display: block; font-size: 0.875rem; }

section { margin-top: 2.75rem; }
table { width: 100%; margin-top: 0.125rem; border-collapse: collapse; table-layout: fixed; }
caption { padding-bottom: 0.75rem; color: var(--soft); text-align: start; }
th, td { padding: 0.625rem 1.25rem 0.625rem 0; border-top: 1px solid var(--line); text-align: start; vertical-align: top; font-weight: inherit; font-size: 0.9375rem; }
th:last-child, td:last-child { padding-right: 0; }
thead th { padding-block: 0.375rem; color: var(--soft); font-size: 0.8125rem; border-top-color: var(--soft); }
.when { width: 20rem; }
.size { width: 7rem; padding-right: 2.25rem; text-align: end; white-space: nowrap; }
.kept { width: 14.5rem; }
.when time, .kept time { display: inline-block; min-width: 6.25rem; margin-right: 0.625rem; white-space: nowrap; }
.when time { min-width: 10.5rem; }
.when .aside, .kept .aside { white-space: nowrap; }
tbody .when time { font-weight: 600; }
.aside { color: var(--soft); font-size: 0.875rem; }
.soon { color: var(--warn); font-weight: 600; }
td.file > a, td.file > .name { font-size: 0.8125rem; }
td.file .aside { display: block; margin-top: 0.25rem; }
td .flag { margin-right: 0.375rem; }

summary { width: fit-content; padding: 0.125rem 0; color: var(--accent); cursor: pointer; }
summary:hover { text-decoration: underline; text-underline-offset: 0.2em; }
.volumes { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 0.375rem; margin: 0.5rem 0 0.875rem; padding: 0; list-style: none; }
.volumes a { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 0.5rem; padding: 0.375rem 0.625rem; border: 1px solid var(--line); border-radius: 6px; background: var(--raised); text-decoration: none; }
.volumes a:hover { border-color: var(--accent); }
details p { font-size: 0.875rem; }
.older { margin-top: 0.25rem; border-top: 1px solid var(--line); padding-top: 0.5rem; }
.pages { display: flex; flex-wrap: wrap; gap: 0.5rem 2rem; margin-top: 2.5rem; }
.pages a { padding: 0.25rem 0; font-weight: 600; }

.how ol { margin-top: 0.75rem; padding-left: 1.375rem; max-width: 46rem; }
.how li + li { margin-top: 0.75rem; }
.how li::marker { color: var(--soft); }
.how p { margin-top: 0.75rem; }
.how p, .how pre { max-width: 46rem; }
pre { margin-top: 0.5rem; padding: 0.75rem 1rem; font-size: 0.9375rem; line-height: 1.6; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); white-space: pre-wrap; overflow-wrap: anywhere; }
footer { margin-top: 3.5rem; padding-top: 1rem; border-top: 1px solid var(--line); color: var(--soft); font-size: 0.875rem; }
.message { margin: 12vh auto 0; max-width: 34rem; }
.message p { margin-top: 0.875rem; }

@media (max-width: 72rem) {
  .when { width: 11rem; }
  .kept { width: 8rem; }
  .size { width: 6.25rem; padding-right: 1.5rem; }
  .when .aside, .kept .aside { display: block; }
}
@media (max-width: 44rem) {
  body { padding: 1.5rem 1rem 2rem; }
  h1 { font-size: 1.75rem; }
  section { margin-top: 2.25rem; }
  /* A row becomes a block of lines; its roles are stated, so that it stays a row for everybody. */
  table, tbody { display: block; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  caption { display: block; padding-bottom: 0.625rem; }
  tr { display: grid; grid-template-columns: 1fr auto; gap: 0.25rem 1rem; padding: 0.75rem 0; border-top: 1px solid var(--line); }
  th, td { padding: 0; border: 0; }
  .when, .size, .kept { width: auto; padding: 0; }
  .file, .kept { grid-column: 1 / -1; }
  .kept { order: 1; color: var(--soft); font-size: 0.875rem; }
  .kept::before { content: "Kept until "; }
  .kept time { min-width: 0; margin: 0; }
  .kept .aside { display: inline; }
  .kept .aside::before { content: "· "; }
  td.file > a { display: inline-block; padding: 0.375rem 0; }
  summary, .pages a, .volumes a { padding-block: 0.5rem; }
}
@media (prefers-reduced-motion: no-preference) {
  button, .skip { transition: background-color 0.12s, color 0.12s; }
}
@media (forced-colors: active) {
  .flag, .unseen { border: 1px solid; }
}
@media print {
  .skip, .session form, .pages { display: none; }
}
`;var $={"&":"&amp;","<":"&lt;",">":"&gt;",'"':"&quot;","'":"&#39;"};function d(e){return e.replaceAll(/[&<>"']/g,t=>$[t])}var E=/(?!\u200c|\u200d| )[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Zs}]/gu;function W(e){let t="",n=0;for(let{0:r,index:o}of e.matchAll(E)){let i=r.codePointAt(0).toString(16);t+=`${d(e.slice(n,o))}<span class="unseen">\\u{${i}}</span>`,n=o+r.length}return`<bdi class="name">${t}${d(e.slice(n))}</bdi>`}var I=new Intl.DateTimeFormat("en-GB",{dateStyle:"medium",timeZone:"UTC"}),M=new Intl.DateTimeFormat("en-GB",{dateStyle:"medium",timeStyle:"short",timeZone:"UTC"});function N(e){return M.format(e*1e3)}function Y(e){return y(e,N(e))}function q(e){return y(e,I.format(e*1e3))}function y(e,t){return`<time datetime="${new Date(e*1e3).toISOString().replace(/\.\d+Z$/,"Z")}">${t}</time>`}function V(e){return e<1?"expired":`in ${h(e).replace(/ ago$/,"")}`}var c='<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0b5f54"/><path d="M16 6v13m-6-6 6 6 6-6M8 25h16" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/></svg>',z=`data:image/svg+xml,${encodeURIComponent(c)}`,O=["default-src 'none'",`style-src 'sha256-${A("sha256").update(p).digest("base64")}'`,"img-src data:","form-action 'self'","base-uri 'none'","frame-ancestors 'none'"].join("; ");function v(e,t){return`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${d(e)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex, nofollow">
<link rel="icon" href="${d(z)}">
<style>${p}</style>
</head>
<body>
${t}
</body>
</html>
`}function ee(e,t,n,r){t.writeHead(n,f(r)),t.end(e.method==="HEAD"?void 0:r)}function f(e){return{"Content-Type":"text/html; charset=utf-8","Content-Length":Buffer.byteLength(e),"Cache-Control":"no-store, private","Content-Security-Policy":O,"Cross-Origin-Opener-Policy":"same-origin","Cross-Origin-Embedder-Policy":"require-corp",Vary:"Accept"}}var L={401:"Username and password needed",404:"Nothing here",410:"This session is over",429:"Too many requests"},P="Load this page again and give both. They stand in the access url, https://USERNAME:PASSWORD@HOST/, which was shown when the account was made.";function k(e,t){let n=L[e]??D[e]??"Refused";return v(n,`<main class="message">
<p class="host">${c} restbackup</p>
<h1>${d(n)}</h1>
<p>${d(t)}</p>${e===401?`
<p class="soft">${P}</p>`:""}
</main>`)}var a=class extends Error{status;headers;constructor(t,n,r={}){super(n),this.status=t,this.headers=r}};function pe(e){if(e instanceof a)return e;if(e instanceof l){if(e.cause instanceof a)return e.cause;if(e.code==="usage"||e.code==="store-refused")return new a(400,e.message);if(e.code==="not-found")return new a(404,"No such file.");if(e.code==="name-taken")return new a(405,`${e.message} Files cannot be replaced.`,{Allow:"GET, HEAD"})}switch(u(e instanceof l?e.cause:e)){case"ENOSPC":case"EDQUOT":return new a(507,"The server's disk is full.");case"EMFILE":case"ENFILE":case"ENOMEM":return new a(503,"The server is busy.",{"Retry-After":"5"});default:return new a(500,"The server failed.")}}function ce(e,t,n){let{headers:r,body:o}=j(n,w(e.headers.accept)),i=U(e)&&!e.complete;if(t.writeHead(n.status,{"Content-Length":Buffer.byteLength(o),"Cache-Control":"no-store, private",Vary:"Accept",...r,...n.headers,...i?{Connection:"close"}:{}}),!i){t.end(o);return}t.write(o),_(e,()=>t.end())}function fe(e,t,n={}){let r=`${g[t]}
`,o={Date:new Date().toUTCString(),"Content-Type":"text/plain; charset=utf-8","Content-Length":String(r.length),"Cache-Control":"no-store, private",...n,Connection:"close"},i=Object.entries(o).map(([s,T])=>`${s}: ${T}\r
`);e.end(`HTTP/1.1 ${t} ${g[t]}\r
${i.join("")}\r
${r}`);let m=setTimeout(()=>e.destroy(),S);e.once("close",()=>clearTimeout(m))}function j({status:e,message:t},n){if(n==="html"){let o=k(e,t);return{headers:f(o),body:o}}if(n==="text")return{headers:{"Content-Type":"text/plain; charset=utf-8"},body:`${t}
`};let r=g[e];return{headers:{"Content-Type":"application/problem+json"},body:JSON.stringify({type:"about:blank",title:r,status:e,detail:t})}}function U(e){return e.headers["transfer-encoding"]!==void 0||Number(e.headers["content-length"])>0}var S=5e3,B=64*1024*1024;function _(e,t){let n=B,r=!1,o=()=>{r||(r=!0,clearTimeout(m),e.off("data",i),t())},i=s=>{n-=s.length,n<0&&o()},m=setTimeout(o,S);e.on("data",i).on("end",o).on("error",o).on("close",o),e.resume()}export{R as a,d as b,W as c,N as d,Y as e,q as f,V as g,c as h,v as i,ee as j,a as k,pe as l,ce as m,fe as n};
