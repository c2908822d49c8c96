/** Oldest supported browsers. The build translates syntax for them, and a test checks that the page uses no newer features. */
export const browsers = { chrome: 109, edge: 109, firefox: 115, safari: 16.4 } as const;
