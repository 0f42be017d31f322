import type { z } from 'zod';
import { type ConfigPath, formatConfigPath, type PathIssue } from './config-path.ts';
import { didYouMean } from './did-you-mean.ts';

type Schema = z.core.$ZodType;

/** How deep a document may be nested; the deepest known key stands at three. */
const maxDepth = 16;

/**
 * Checks a value against a schema of strict objects and lists everything wrong with it. Unknown keys come with the known key that was
 * probably meant. The messages never hold a value of the document.
 *
 * @param schema made with `z.strictObject` at every level
 * @param value the parsed document, or the part of it at `prefix`
 */
export function checkDocument<S extends Schema & z.ZodType>(
  schema: S,
  value: unknown,
  prefix: ConfigPath = [],
): { readonly data: z.output<S>; readonly issues?: never } | { readonly data?: never; readonly issues: readonly PathIssue[] } {
  const unsafe = unsafeIssues(value, prefix);
  if (unsafe.length > 0) return { issues: unsafe };
  const result = schema.safeParse(value);
  if (result.success) return { data: result.data };
  return { issues: result.error.issues.flatMap((issue) => issuesOf(issue, schema, value, prefix)) };
}

function issuesOf(issue: z.core.$ZodIssue, schema: Schema, value: unknown, prefix: ConfigPath): PathIssue[] {
  const inner = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  const path = [...prefix, ...inner];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: unknownKey(key, inner, schema, value, prefix), atKey: true }));
  }
  if (issue.code === 'invalid_key') return [{ path, message: issue.issues[0]?.message ?? issue.message, atKey: true }];
  const found = valueAt(value, inner);
  if (found === undefined) return [{ path, message: 'is required' }];
  if (found === null) return [{ path, message: 'is empty: give it a value or leave it out' }];
  return [{ path, message: issue.message }];
}

function unknownKey(key: string, parent: ConfigPath, schema: Schema, value: unknown, prefix: ConfigPath): string {
  const known = schemaAt(schema, parent, value);
  const near = didYouMean(key, Object.keys(shapeOf(known) ?? {}));
  if (near !== undefined) return `unknown key; did you mean ${near}?`;
  const elsewhere = pathsOf(schema).find((path) => path.at(-1) === key);
  return elsewhere === undefined ? 'unknown key' : `unknown key here; did you mean ${formatConfigPath([...prefix, ...elsewhere])}?`;
}

/** What a schema check would not see or would not survive: `__proto__`, which it skips in silence, cycles and bottomless nesting. */
function unsafeIssues(value: unknown, path: ConfigPath, depth = 0): PathIssue[] {
  if (typeof value !== 'object' || value === null) return [];
  if (depth > maxDepth) return [{ path, message: `is nested more than ${maxDepth} levels deep` }];
  const issues: PathIssue[] = Object.hasOwn(value, '__proto__')
    ? [{ path: [...path, '__proto__'], message: 'unknown key', atKey: true }]
    : [];
  for (const [key, inner] of Object.entries(value)) {
    if (key !== '__proto__') issues.push(...unsafeIssues(inner, [...path, Array.isArray(value) ? Number(key) : key], depth + 1));
    if (issues.length > 100) break;
  }
  return issues;
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function schemaAt(schema: Schema, path: ConfigPath, value: unknown): Schema | undefined {
  return path.reduce<Schema | undefined>(
    (outer, key, index) => {
      const inner = typeof key === 'number' ? elementOf(outer) : shapeOf(outer)?.[key];
      return optionFor(inner, valueAt(value, path.slice(0, index + 1)));
    },
    optionFor(schema, value),
  );
}

/** Of a union told apart by one key, the option that the value names. */
function optionFor(schema: Schema | undefined, value: unknown): Schema | undefined {
  const def = unwrap(schema);
  if (def?.type !== 'union') return schema;
  const { discriminator, options } = def as z.core.$ZodDiscriminatedUnionDef;
  return options.find((option) => shapeOf(option)?.[discriminator]?._zod.values?.has(valueAt(value, [discriminator]) as string));
}

/** Every path that the schema knows, parents before children. */
function pathsOf(schema: Schema, prefix: ConfigPath = []): ConfigPath[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([key, inner]) => [[...prefix, key], ...pathsOf(inner, [...prefix, key])]);
}

function shapeOf(schema: Schema | undefined): Readonly<Record<string, Schema>> | undefined {
  const def = unwrap(schema);
  return def?.type === 'object' ? (def as z.core.$ZodObjectDef).shape : undefined;
}

function elementOf(schema: Schema | undefined): Schema | undefined {
  const def = unwrap(schema);
  return def?.type === 'array' ? (def as z.core.$ZodArrayDef).element : undefined;
}

function unwrap(schema: Schema | undefined): z.core.$ZodTypeDef | undefined {
  let def: (z.core.$ZodTypeDef & { readonly innerType?: Schema }) | undefined = schema?._zod.def;
  while (def?.innerType !== undefined) def = def.innerType._zod.def;
  return def;
}
