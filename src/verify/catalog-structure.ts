import { sqlFiles } from '../sql/sql-files.ts';
import { renderSqlFiles } from '../sql/sql-template.ts';

/** A function of the catalog as the shipped SQL makes it last. */
export interface ShippedFunction {
  readonly source: string;
  readonly language: string;
  readonly definer: boolean;
  readonly pinned: boolean;
}

/** What the shipped SQL makes of the catalog, as far as its defences go. */
export interface CatalogStructure {
  readonly files: readonly { readonly name: string; readonly checksum: string }[];
  readonly functions: ReadonlyMap<string, ShippedFunction>;
  /** By `table.trigger`: whether it also fires in a replica's session. */
  readonly triggers: ReadonlyMap<string, { readonly always: boolean }>;
  /** What the catalog's login may select. */
  readonly readable: ReadonlySet<string>;
  /** What it may execute, by name. */
  readonly executable: ReadonlySet<string>;
}

const functionPattern = /create (?:or replace )?function tenancy\.(\w+)\([^)]*\)([^$]*)\$\$([\s\S]*?)\$\$/gi;
const triggerPattern = /create trigger (\w+) [^;]*? on tenancy\.(\w+) /gi;
const alwaysPattern = /alter table tenancy\.(\w+) enable always trigger (\w+)/gi;
const selectPattern = /grant select on ([^;]+?) to /gi;
const executePattern = /grant execute on function ([^;]+?) to /gi;

/** Reads from the shipped files what must stand: there is no second list of it that could grow old. */
export function catalogStructure(roles: { readonly owner: string; readonly catalog: string }): CatalogStructure {
  const files = renderSqlFiles(sqlFiles('catalog'), roles, 'migrations/catalog');
  const text = files.map(({ rendered }) => rendered.replaceAll(/^\s*--.*$/gm, '')).join('\n');
  const whole = files.map(({ rendered }) => rendered).join('\n');
  const always = new Set([...text.matchAll(alwaysPattern)].map(([, table, trigger]) => `${table}.${trigger}`));
  return {
    files,
    functions: new Map(
      // With its comments: PostgreSQL keeps them.
      [...whole.matchAll(functionPattern)].map(([, name = '', head = '', source = '']) => [
        name,
        {
          source,
          language: /\blanguage (\w+)/i.exec(head)?.[1] ?? '',
          definer: /security definer/i.test(head),
          pinned: /set search_path = pg_catalog, pg_temp/i.test(head),
        },
      ]),
    ),
    triggers: new Map(
      [...text.matchAll(triggerPattern)].map(([, trigger, table]) => {
        const key = `${table}.${trigger}`;
        return [key, { always: always.has(key) }];
      }),
    ),
    readable: new Set([...text.matchAll(selectPattern)].flatMap(([, list = '']) => list.split(',').map(nameOf))),
    executable: new Set([...text.matchAll(executePattern)].flatMap(([, list = '']) => list.split('),').map(nameOf))),
  };
}

function nameOf(object: string): string {
  return /tenancy\.(\w+)/.exec(object)?.[1] ?? '';
}
