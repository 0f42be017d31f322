/** The seed of the sample that is kept beside this file. */
export const sampleSeed = 20_250_303;
