/** Where something stands in a configuration document: keys and array indexes from its root. */
export type ConfigPath = readonly (string | number)[];

/** One thing wrong with a document, before its path is written out. */
export interface PathIssue {
  readonly path: ConfigPath;
  readonly message: string;
  /** Whether the key itself is wrong rather than its value: a file reports the place of the key then. */
  readonly atKey?: boolean | undefined;
}

/**
 * Writes a path as people read it: `tenant.compliance.data_residency.0`. A key that is no plain word is quoted and cut, since it comes
 * from whoever wrote the document.
 *
 * @example
 * ```ts
 * formatConfigPath(['tenant', 'features', 'no good']); // tenant.features."no good"
 * ```
 */
export function formatConfigPath(path: ConfigPath): string {
  return path.map((key) => (typeof key === 'number' || /^[\w-]{1,64}$/.test(key) ? String(key) : quote(key))).join('.') || '(document)';
}

function quote(key: string): string {
  return JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
}
