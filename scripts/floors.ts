import { type ImportGraph, targetOf } from './imports.ts';

/**
 * The house, from the ground up: a folder (or file) of src imports only from lower floors, or from earlier entries on its own.
 * docs/architecture.md says what each is for.
 */
export const floors: readonly (readonly string[])[] = [
  ['errors'],
  ['sql'],
  ['tenant'],
  ['crypto', 'audit', 'rls', 'limits', 'residency', 'telemetry'],
  ['kms'],
  ['connection'],
  ['catalog'],
  ['keys'],
  ['routing'],
  ['database'],
  ['audit-store'],
  ['migrate', 'provision'],
  ['verify', 'lifecycle'],
  ['control-plane', 'tenancy', 'control', 'index'],
  ['http', 'testing', 'cli'],
];

/** Every import that goes up, sideways or to nowhere, as a sentence. */
export function floorViolations(graph: ImportGraph, order: readonly string[] = floors.flat()): readonly string[] {
  const found: string[] = [];
  for (const [file, specifiers] of graph) {
    const own = entryOf(file);
    if (!order.includes(own)) {
      found.push(`${file}: ${own} stands on no floor; add it to scripts/floors.ts and docs/architecture.md, or move the file`);
      continue;
    }
    for (const specifier of specifiers) {
      const target = targetOf(file, specifier);
      if (target === undefined) continue;
      const other = entryOf(target);
      if (target.startsWith('..')) found.push(`${file} imports ${specifier}, which is outside src`);
      else if (!graph.has(target)) found.push(`${file} imports ${specifier}, which does not exist`);
      else if (order.indexOf(other) > order.indexOf(own)) found.push(`${file} imports ${target}: ${own} stands below ${other}`);
    }
  }
  return found;
}

/** Every cycle between files, as `a → b → a`; imports of types count. */
export function importCycles(graph: ImportGraph): readonly string[] {
  const cycles = new Set<string>();
  const done = new Set<string>();
  const walk = (file: string, path: readonly string[]): void => {
    const at = path.indexOf(file);
    if (at >= 0) {
      const cycle = path.slice(at);
      const first = cycle.indexOf([...cycle].sort()[0]!);
      cycles.add([...cycle.slice(first), ...cycle.slice(0, first), cycle[first]].join(' → '));
      return;
    }
    if (done.has(file)) return;
    for (const specifier of graph.get(file) ?? []) {
      const target = targetOf(file, specifier);
      if (target !== undefined && graph.has(target)) walk(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of graph.keys()) walk(file, []);
  return [...cycles];
}

/** `catalog/cluster.ts` belongs to the entry catalog, `errors.ts` to errors. */
function entryOf(file: string): string {
  return file.split('/')[0]!.replace(/\.ts$/, '');
}
