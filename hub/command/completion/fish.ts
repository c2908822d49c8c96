import { brief, type Candidates, type Flag, nextWords, type Script, type Verb, waiting } from "./verb.ts";

export const fish: Script = (verbs, head) => `${head}
function __gohm_words
    set -l waits 0
    for word in (commandline -opc)[2..-1]
        if test $waits = 1
            set waits 0
            continue
        end
        switch $word
            case ${waiting(verbs).join(" ")}
                set waits 1
            case '-*'
            case '*'
                echo -- $word
        end
    end
    # Whether the cursor is at a word, rather than at the value of an option.
    test $waits = 0
end

# True if the words before the cursor are these.
function __gohm_is
    set -l words (__gohm_words)
    test "$words" = "$argv"
end

# True if they begin with the verb.
function __gohm_after
    set -l words (__gohm_words)
    string match -q -- "$argv[1] *" "$words "
end

# True if they begin with the verb, and so many more follow ("any"), and the next one is at the cursor.
function __gohm_at
    set -l words (__gohm_words)
    test $status = 0 || return 1
    set -l verb (string split ' ' -- $argv[1])
    string match -q -- "$argv[1] *" "$words " || return 1
    test $argv[2] = any || test (math (count $words) - (count $verb)) = $argv[2]
end

complete -c gohm -f
${wordsOf(verbs, "").join("\n")}
${verbs.flatMap((verb, at) => [...(at === 0 ? options(verb, "__gohm_is") : []), ...options(verb, `__gohm_after ${quoted(verb.name)}`), ...positionals(verb, verbs)]).join("\n")}
`;

/** A text as one word of fish. */
const quoted = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;

function offered(offer: Candidates): string {
  if (offer === undefined) return "";
  if (offer === "file") return " -F";
  return ` -a ${quoted(offer === "folder" ? "(__fish_complete_directories)" : offer.join(" "))}`;
}

const options = ({ options }: Verb, condition: string): string[] =>
  options.map((flag) => `complete -c gohm -n ${quoted(condition)} ${written(flag)} -d ${quoted(brief(flag.help))}`);

function written({ name, short, value, offer }: Flag): string {
  const letter = short === undefined ? "" : ` -s ${short}`;
  return `-l ${name}${letter}${value === "needed" ? ` ${offer === "file" ? "-r" : "-x"}${offered(offer)}` : ""}`;
}

/** The words of verbs, behind other words. */
const wordsOf = (verbs: readonly Verb[], behind: string): string[] =>
  [...nextWords(verbs)].flatMap(([before, next]) => {
    const condition = quoted(["__gohm_is", behind, before].filter((part) => part !== "").join(" "));
    return [...next].map(([word, text]) => `complete -c gohm -n ${condition} -a ${quoted(word)} -d ${quoted(text)}`);
  });

const positionals = ({ name, words }: Verb, verbs: readonly Verb[]): string[] =>
  words.flatMap(({ offer, many }, i) => {
    if (offer === "command") return wordsOf(verbs, name);
    const condition = `__gohm_at ${quoted(name)} ${many ? "any" : i}`;
    return offer === undefined ? [] : [`complete -c gohm -n ${quoted(condition)}${offered(offer)}`];
  });
