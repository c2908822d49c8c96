import { adminText } from "../../language.ts";

/** The word for a code in the viewer's language; a code of another version of the hub is shown as it is. */
export const wordOf = (words: Readonly<Record<string, string | undefined>>, code: string): string =>
  Object.hasOwn(words, code) ? (words[code] ?? code) : code;

/** "administrator alice", with the kind of actor in the viewer's language. */
export function actorText(actor: string): string {
  const [kind = "", ...name] = actor.split(" ");
  return [wordOf(adminText().actorKinds, kind), ...name].join(" ");
}
