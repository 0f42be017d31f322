import { quoteIdentifier } from './identifier.ts';

/**
 * A quoted name with its schema, which means the same under every search_path.
 *
 * @throws {ConfigurationError} when either part can't be a name
 * @example
 * ```ts
 * qualifiedName('tenant_100', 'products'); // "tenant_100"."products"
 * ```
 */
export function qualifiedName(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`;
}
