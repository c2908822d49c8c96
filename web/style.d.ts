// The bundler resolves imports of style sheets.
declare module "*.css";
/** Address of a style sheet that a part of the page loads by itself. */
declare module "*.css?href" {
  const href: string;

  // biome-ignore lint/style/noDefaultExport: the bundler exports the address so
  export { href as default };
}
