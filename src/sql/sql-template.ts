import { ConfigurationError } from '../errors.ts';
import { quoteIdentifier, quoteLiteral } from './identifier.ts';

/** What placeholders stand for, by name. */
export type SqlValues = Readonly<Record<string, string>>;

/** `{{name}}` or `{{'name'}}`, and whatever else looks like an attempt at one. */
const placeholder = /\{\{([^{}]*)\}\}/g;

/**
 * Fills shipped SQL in: `{{name}}` becomes the value as a quoted identifier, `{{'name'}}` as a quoted literal.
 *
 * @param where names the template in errors
 * @throws {ConfigurationError} when a placeholder has no value or a value no placeholder: either means that the SQL does something else
 * than its caller believes
 * @example
 * ```ts
 * renderSql('grant usage on schema tenancy to {{app}}', { app: 'tenancy_app' }, 'grants.sql');
 * ```
 */
export function renderSql(template: string, values: SqlValues, where: string): string {
  const unused = new Set(Object.keys(values));
  const rendered = fill(template, values, where, unused);
  requireAllUsed(unused, where);
  return rendered;
}

/**
 * Fills several templates in with the same values; each value must be used by one of them at least.
 *
 * @throws {ConfigurationError} as {@link renderSql}
 */
export function renderSqlFiles<T extends { readonly name: string; readonly text: string }>(
  files: readonly T[],
  values: SqlValues,
  where: string,
): readonly (T & { readonly rendered: string })[] {
  const unused = new Set(Object.keys(values));
  const rendered = files.map((file) => ({ ...file, rendered: fill(file.text, values, `${where}/${file.name}`, unused) }));
  requireAllUsed(unused, where);
  return rendered;
}

function fill(template: string, values: SqlValues, where: string, unused: Set<string>): string {
  return template.replace(placeholder, (whole, inner: string) => {
    const match = /^(')?([A-Za-z][A-Za-z0-9]*)\1$/.exec(inner);
    const name = match?.[2];
    const value = name !== undefined && Object.hasOwn(values, name) ? values[name] : undefined;
    if (match === null || name === undefined || value === undefined) {
      throw new ConfigurationError(`The placeholder ${whole} of ${where} has no value.`, {
        hint: `There are values for ${Object.keys(values).join(', ') || 'none'}.`,
      });
    }
    unused.delete(name);
    return match[1] === undefined ? quoteIdentifier(value) : quoteLiteral(value);
  });
}

function requireAllUsed(unused: ReadonlySet<string>, where: string): void {
  if (unused.size === 0) return;
  throw new ConfigurationError(`${where} has no placeholder for ${[...unused].join(', ')}.`, { hint: 'Leave the value out or use it.' });
}
