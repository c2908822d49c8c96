import href from "./style/admin.css?href";

let loading: Promise<void> | undefined;

/** Loads the styles of accounts and administration. @throws Error if they cannot be fetched; the next call tries again */
export function loadSheet(): Promise<void> {
  loading ??= new Promise((done, failed) => {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = href;
    link.onload = () => done();
    link.onerror = () => {
      link.remove();
      loading = undefined;
      failed(new Error(href));
    };
    document.head.append(link);
  });
  return loading;
}
