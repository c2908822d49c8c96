/**
 * Puts text on the clipboard. The page is mostly reached by plain http inside a lab, where browsers offer no clipboard
 * object: then an invisible field is selected and copied the old way.
 */
export async function copy(words: string): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(words);
      return true;
    } catch {
      // Refused by permission: the old way may still work.
    }
  }
  const field = document.createElement("textarea");
  field.value = words;
  field.className = "spoken";
  document.body.append(field);
  const before = document.activeElement;
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  if (before instanceof HTMLElement) before.focus();
  return done;
}
