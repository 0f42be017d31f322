/** Behind a table's and a plaintext column's name: the check that no row has both values while an encrypted column takes over another. */
export const adoptingSuffix = '_adopting';
/** The same of the check that keeps a plaintext column empty once it is taken over. */
export const adoptedSuffix = '_adopted';

/** The name of the check that no row has both values while an encrypted column takes over another. */
export function adoptingCheck(table: string, column: string): string {
  return `${table}_${column}${adoptingSuffix}`;
}

/** The name of the check that keeps a plaintext column empty once it is taken over. */
export function adoptedCheck(table: string, column: string): string {
  return `${table}_${column}${adoptedSuffix}`;
}
