/** Oldest browsers that the page works in: what the build translates syntax for, and what a test holds its files to. */
export const browsers = { chrome: 109, edge: 109, firefox: 115, safari: 16.4 } as const;
