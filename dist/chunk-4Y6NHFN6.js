import"./chunk-WKKLSEHR.js";var $=["bash","zsh","fish"];function k(e,o){let n=m(o,"",[]);switch(e){case"bash":return b(n);case"zsh":return C(n);case"fish":return O(n)}}function m(e,o,n){let t=e.createHelp(),r=t.visibleOptions(e).map(g),s=e.parent===null?r.filter(h):n,a=t.visibleCommands(e).map(i=>({name:i.name(),description:i.description()})),l=t.visibleCommands(e).filter(i=>i.name()!=="help").flatMap(i=>m(i,`${o} ${i.name()}`.trim(),s));return[{words:o,commands:a,options:[...r,...e.parent===null?[]:n],files:e.registeredArguments.some(i=>i.name()==="path"),values:e.registeredArguments.some(i=>i.name()==="shell")?$:[]},...l]}function h({flags:e}){return!e.includes("--help")&&!e.includes("--version")}function g(e){let o=/<(.*)>/.exec(e.flags)?.[1];return{flags:[e.short,e.long].filter(n=>n!=null),description:e.description,value:o===void 0?void 0:o==="file"||o==="folder"?o:"other"}}var p=e=>`# Completion of restbackup for ${e}, printed by: restbackup completion ${e}
`;function b(e){let o=t=>[...new Set(e.flatMap(({options:r})=>r.filter(({value:s})=>t.includes(s)).flatMap(({flags:s})=>s)))],n=e.map(({words:t,commands:r,options:s,files:a,values:l})=>{let c=s.flatMap(f=>f.flags).join(" "),i=[...r.map(({name:f})=>f),...l].join(" ");return`    "${t}") options="${c}"; words="${i}"; files=${a?"yes":""} ;;`});return`${p("bash")}
_restbackup() {
  local current="\${COMP_WORDS[COMP_CWORD]}" place="" options="" words="" files="" word index
  local previous="\${COMP_WORDS[COMP_CWORD-1]}"
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in
      ${o(["file","folder","other"]).join("|")}) ((index++)) ;;
      -*) ;;
      *)
        case "\${place:+$place }$word" in
          ${e.filter(({words:t})=>t!=="").map(({words:t})=>`"${t}"`).join("|")}) place="\${place:+$place }$word" ;;
        esac ;;
    esac
  done
  case "$previous" in
    ${o(["file"]).join("|")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
    ${o(["folder"]).join("|")})
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -d -- "$current")
      return ;;
    ${o(["other"]).join("|")}) return ;;
  esac
  case "$place" in
${n.join(`
`)}
  esac
  if [[ "$current" == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$files" ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _restbackup restbackup
`}function C(e){let o=e.map(n=>{let t=n.options.map(c=>`    ${_(c)} \\
`).join(""),r=n.words===""?0:n.words.split(" ").length,s=n.commands.length>0?`    '1: :->command' '*:: :->rest'
  case "$state" in
    command) local -a commands=(${n.commands.map(({name:c,description:i})=>d(`${c}:${i}`)).join(" ")}); _describe command commands ;;
    rest) case "$words[1]" in
${n.commands.filter(({name:c})=>c!=="help").map(({name:c})=>`      ${c}) ${u(`${n.words} ${c}`.trim())} ;;`).join(`
`)}
    esac ;;
  esac`:n.files?"    '*:path:_files'":n.values.length>0?`    '1:value:(${n.values.join(" ")})'`:"    '*: :()'",a=n.commands.length>0?`  local state line; local -A opt_args
`:"",l=n.commands.length>0?"-C ":"";return`${u(n.words)}() { # ${r===0?"restbackup":n.words}
${a}  _arguments ${l}-S \\
${t}${s}
}`});return`#compdef restbackup
${p("zsh")}
${o.join(`

`)}

if [[ "$funcstack[1]" == "_restbackup" ]]; then
  _restbackup "$@"
else
  compdef _restbackup restbackup
fi
`}function u(e){return e===""?"_restbackup":`_restbackup_${e.replaceAll(" ","_")}`}function _({flags:e,description:o,value:n}){let t=o.replaceAll(/[[\]:\\]/g,"\\$&"),s=n===void 0?"":{file:":file:_files",folder:":folder:_files -/",other:":value: "}[n];return e.map(a=>d(`*${a}[${t}]${s}`)).join(" ")}function O(e){let o=e.find(({words:t})=>t===""),n=e.flatMap(t=>{let r=y(t);return[...t.commands.map(({name:s,description:a})=>`complete -c restbackup -n ${r} -a ${s} -d ${d(a)}`),...t.values.map(s=>`complete -c restbackup -n ${r} -a ${s}`),...t.files?[`complete -c restbackup -n ${r} -F`]:[],...t.options.filter(s=>t===o||!o.options.some(a=>a.flags[0]===s.flags[0])).map(s=>P(s,t===o?void 0:r))]});return`${p("fish")}
complete -c restbackup -f
${n.join(`
`)}
`}function y({words:e,commands:o}){let n=e===""?[]:e.split(" ").map(t=>`__fish_seen_subcommand_from ${t}`);return o.length>0&&n.push(`not __fish_seen_subcommand_from ${o.map(({name:t})=>t).join(" ")}`),d(n.join("; and "))}function P({flags:e,description:o,value:n},t){let r=e.map(s=>s.startsWith("--")?`-l ${s.slice(2)}`:`-s ${s.slice(1)}`);return["complete -c restbackup",...t===void 0?[]:[`-n ${t}`],...r,...n===void 0?[]:[n==="other"?"-x":"-r -F"],`-d ${d(o)}`].join(" ")}function d(e){return`'${e.replaceAll("'","'\\''")}'`}export{$ as SHELLS,k as completionScript};
