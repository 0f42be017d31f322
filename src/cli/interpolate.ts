import type { ConfigPath, PathIssue } from '../tenant/config-path.ts';

const reference = /\$(\$?)\{([^}]*)\}?/g;

/**
 * Replaces `${VARIABLE}` in every string of a document by the environment's value; `$${` stays a plain `${`.
 *
 * @returns the document with values, and an issue that names the variable, never a value, for each one that is missing
 */
export function interpolate(
  document: unknown,
  env: Readonly<Record<string, string | undefined>>,
): { readonly value: unknown; readonly issues: readonly PathIssue[] } {
  const issues: PathIssue[] = [];
  return { value: replaceIn(document, [], env, issues), issues };
}

function replaceIn(value: unknown, path: ConfigPath, env: Readonly<Record<string, string | undefined>>, issues: PathIssue[]): unknown {
  if (Array.isArray(value)) return value.map((inner, index) => replaceIn(inner, [...path, index], env, issues));
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, replaceIn(inner, [...path, key], env, issues)]));
  }
  if (typeof value !== 'string') return value;
  return value.replaceAll(reference, (text, escaped: string, name: string) => {
    if (escaped !== '') return text.slice(1);
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) || !text.endsWith('}')) {
      issues.push({ path, message: 'holds a dollar and { without a variable’s name and }; write two dollars where none is meant' });
      return '';
    }
    const found = Object.hasOwn(env, name) ? env[name] : undefined;
    if (found === undefined || found === '')
      issues.push({ path, message: `needs the environment variable ${name}, which is not set or empty` });
    return found ?? '';
  });
}
