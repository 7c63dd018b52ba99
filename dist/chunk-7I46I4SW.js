import{createRequire as nodeCreateRequire}from"node:module";const require=nodeCreateRequire(import.meta.url);
function c(s){let{GITHUB_REPOSITORY:t,GITHUB_REF:o,GITHUB_SHA:n,GITHUB_RUN_ID:r,GITHUB_SERVER_URL:e}=s;return{...t?{repository:t}:{},...o?{ref:o}:{},...n?{commit:n}:{},...e&&t&&r?{run:`${e}/${t}/actions/runs/${r}`}:{}}}export{c as a};
