/** JSON of an answer, which a test compares with what is wanted, whatever it is. */
// biome-ignore lint/suspicious/noExplicitAny: compared with what is wanted at once
export const jsonOf = (answer: Response): Promise<any> => answer.json();
