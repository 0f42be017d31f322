/** What is measured: reading one row by its key, or writing one. */
export const cases = ['point-select', 'insert'] as const;
export type Case = (typeof cases)[number];
