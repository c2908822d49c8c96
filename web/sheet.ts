const loading = new Map<string, Promise<void>>();

/**
 * Loads a style sheet of a part of the page.
 * @param href its address, as importing it with "?href" gives it
 * @throws Error if it cannot be fetched; the next call tries again
 */
export function loadSheet(href: string): Promise<void> {
  const before = loading.get(href);
  if (before !== undefined) return before;
  const loaded = new Promise<void>((done, failed) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.onload = () => done();
    link.onerror = () => {
      link.remove();
      loading.delete(href);
      failed(new Error(href));
    };
    document.head.append(link);
  });
  loading.set(href, loaded);
  return loaded;
}
