import {
  brief,
  type Candidates,
  lengthOf,
  nextWords,
  quoted,
  type Script,
  type Verb,
  valued,
  waiting,
} from "./verb.ts";

/** Works as a file _gohm of $fpath, and sourced. */
export const zsh: Script = (verbs, head) => `#compdef gohm
${head}
_gohm_verbs() {
  case $1 in
${[...nextWords(verbs)].map(([before, next]) => `    (${quoted(before)}) offers=(${[...next].map(([word, text]) => described(word, text)).join(" ")}) ;;`).join("\n")}
  esac
}

_gohm() {
  local waits='' verb='' word
  local -a plain offers named
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ -n $waits ]]; then
      waits=''
    elif [[ $word == -* ]]; then
      case $word in
        (${waiting(verbs).join("|")}) waits=$word ;;
      esac
    else
      plain+=("$word")
    fi
  done
  if [[ -z $waits && $PREFIX == --*=* ]]; then
    waits=\${PREFIX%%=*}
    compset -P '*='
  fi
  case $waits in
    ('') ;;
${values(verbs)}
    (*) return 1 ;;
  esac
  case "\${plain[*]} " in
${verbs.map(({ name }) => `    (${quoted(`${name} `)}*) verb=${quoted(name)} ;;`).join("\n")}
  esac
  if [[ $PREFIX == -* ]]; then
    case $verb in
${verbs.map(options).join("\n")}
    esac
    _describe -o option offers
    return
  fi
  if [[ -z $verb ]]; then
    _gohm_verbs "\${plain[*]}"
    _describe command offers
    return
  fi
  named=(\${=verb})
  case "$verb/$((\${#plain} - \${#named}))" in
${verbs.flatMap(positionals).join("\n")}
    (*) return 1 ;;
  esac
}

if [[ $funcstack[1] == _gohm ]]; then
  _gohm "$@"
else
  compdef _gohm gohm
fi
`;

const described = (word: string, text: string): string => quoted(`${word.replaceAll(":", "\\:")}:${text}`);

function offered(offer: Candidates): string {
  if (offer === undefined) return "return 1";
  if (offer === "file") return "_files";
  return offer === "folder" ? "_files -/" : `compadd -- ${offer.map(quoted).join(" ")}`;
}

const values = (verbs: readonly Verb[]): string =>
  valued(verbs)
    .filter(({ offer }) => offer !== undefined)
    .map(({ name, offer }) => `    (--${name}) ${offered(offer)}; return ;;`)
    .join("\n");

function options({ name, options }: Verb, at: number): string {
  const words = options.flatMap(({ name, short, help }) => [
    described(`--${name}`, brief(help)),
    ...(short === undefined ? [] : [described(`-${short}`, brief(help))]),
  ]);
  return `      (${at === 0 ? "''|" : ""}${quoted(name)}) offers=(${words.join(" ")}) ;;`;
}

const positionals = (verb: Verb): string[] =>
  verb.words.map(({ offer, many }, i) => {
    const after = `_gohm_verbs "\${plain[${lengthOf(verb) + 1},-1]}"; _describe command offers`;
    return `    (${quoted(`${verb.name}/`)}${many ? "*" : i}) ${offer === "command" ? after : offered(offer)} ;;`;
  });
