/**
 * Copies text to the clipboard. Over plain HTTP, as the page is mostly used, browsers have no clipboard object: then it
 * selects an invisible field and copies that.
 */
export async function copy(words: string): Promise<boolean> {
  if (navigator.clipboard !== undefined) {
    try {
      await navigator.clipboard.writeText(words);
      return true;
    } catch {
      // No permission: copying a field may still work.
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
