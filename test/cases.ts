/** Cases of each property test at a boundary: 2,000 in npm test, 100,000 in npm run test:long. */
export const cases = { numRuns: Number(process.env.GOHM_TEST_CASES ?? 2000) };
