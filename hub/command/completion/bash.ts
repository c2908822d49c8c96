import { type Candidates, lengthOf, nextWords, quoted, type Script, type Verb, valued, waiting } from "./verb.ts";

/** Needs bash 4 and nothing else; readline cuts words at "=", which is a word of its own then. */
export const bash: Script = (verbs, head) => `${head}
_gohm() {
  local cur=\${COMP_WORDS[COMP_CWORD]} last='' waits='' verb='' word i
  local -a words=()
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == '=' ]]; then
      waits=$last
    elif [[ -n $waits ]]; then
      waits=''
    elif [[ $word == -* ]]; then
      last=$word
      case $word in
        ${waiting(verbs).join(" | ")}) waits=$word ;;
      esac
    else
      words+=("$word")
    fi
  done
  if [[ $cur == '=' ]]; then
    waits=$last
    cur=''
  fi
  case $waits in
    '') ;;
${values(verbs)}
    *) return ;;
  esac
  case "\${words[*]} " in
${verbs.map(({ name }) => `    ${quoted(`${name} `)}*) verb=${quoted(name)} ;;`).join("\n")}
  esac
  if [[ $cur == -* ]]; then
    case $verb in
${verbs.map(options).join("\n")}
    esac
    return
  fi
  if [[ -z $verb ]]; then
    _gohm_verbs "\${words[*]}"
    return
  fi
  word=$verb
  local -a named=($word)
  case "$verb/$((\${#words[@]} - \${#named[@]}))" in
${verbs.flatMap(positionals).join("\n")}
  esac
}

_gohm_verbs() {
  case $1 in
${[...nextWords(verbs)].map(([before, next]) => `    ${quoted(before)}) _gohm_words ${[...next.keys()].map(quoted).join(" ")} ;;`).join("\n")}
  esac
}

_gohm_words() {
  mapfile -t COMPREPLY < <(compgen -W "$*" -- "$cur")
}

_gohm_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen "$1" -- "$cur")
}

complete -F _gohm gohm
`;

function offered(offer: Candidates): string {
  if (offer === undefined) return ":";
  if (offer === "file") return "_gohm_paths -f";
  return offer === "folder" ? "_gohm_paths -d" : `_gohm_words ${offer.map(quoted).join(" ")}`;
}

const values = (verbs: readonly Verb[]): string =>
  valued(verbs)
    .filter(({ offer }) => offer !== undefined)
    .map(({ name, offer }) => `    --${name}) ${offered(offer)}; return ;;`)
    .join("\n");

function options({ name, options }: Verb, at: number): string {
  const words = options.flatMap(({ name, short }) => [`--${name}`, ...(short === undefined ? [] : [`-${short}`])]);
  return `      ${at === 0 ? "'' | " : ""}${quoted(name)}) _gohm_words ${words.map(quoted).join(" ")} ;;`;
}

const positionals = (verb: Verb): string[] =>
  verb.words.map(({ offer, many }, i) => {
    const words = offer === "command" ? `_gohm_verbs "\${words[*]:${lengthOf(verb)}}"` : offered(offer);
    return `    ${quoted(`${verb.name}/`)}${many ? "*" : i}) ${words} ;;`;
  });
