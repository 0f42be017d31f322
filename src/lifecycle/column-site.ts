import type { PgTable } from 'drizzle-orm/pg-core';
import { columnsOf, originalNameOf } from '../database/drizzle-internals.ts';
import { EncryptedColumn } from '../database/encrypted-column.ts';
import { isTenantTable } from '../database/table-kind.ts';
import { ConfigurationError } from '../errors.ts';
import type { ColumnScope } from './column-reports.ts';

/** An encrypted column whose rows may want something: it takes over a plaintext column, or has a blind index, or both. */
export interface ColumnSite {
  /** `table.column`. */
  readonly label: string;
  readonly table: string;
  readonly column: EncryptedColumn;
  /** The name of the column of its tags. */
  readonly tags: string | undefined;
}

/**
 * The columns that a scope names.
 *
 * @throws {ConfigurationError} when the schema has no tenant table, or no such column as is named
 */
export function columnSites({ schema, columns: wanted }: Pick<ColumnScope, 'schema' | 'columns'>): readonly ColumnSite[] {
  // A table may be exported under two names.
  const tables = new Map(
    Object.values(schema).flatMap((value): [string, PgTable][] => (isTenantTable(value) ? [[originalNameOf(value), value]] : [])),
  );
  if (tables.size === 0) {
    throw new ConfigurationError('The schema has no tenant table.', {
      hint: 'Give the module whose exports are made with tenantTable, loaded with the same installation of @godseye/tenancy.',
    });
  }
  const sites = [...tables].flatMap(([table, of]) =>
    Object.values(columnsOf(of)).flatMap((column): ColumnSite[] =>
      column instanceof EncryptedColumn && (column.adoption !== undefined || column.index !== undefined)
        ? [Object.freeze({ label: `${table}.${column.name}`, table, column, tags: column.index?.columnName })]
        : [],
    ),
  );
  const unknown = wanted?.find((label) => !sites.some((site) => site.label === label));
  if (unknown !== undefined) {
    throw new ConfigurationError(
      `The schema has no column ${JSON.stringify(unknown)} that takes over a plaintext column or has a blind index.`,
      {
        hint: sites.length === 0 ? 'It has none at all.' : `It has ${sites.map(({ label }) => label).join(', ')}.`,
      },
    );
  }
  return wanted === undefined ? sites : sites.filter(({ label }) => wanted.includes(label));
}

/**
 * Refuses columns of which services may still write the plaintext: filling them would never end.
 *
 * @throws {ConfigurationError}
 */
export function requireEncryptedWrites(sites: readonly ColumnSite[]): void {
  const early = sites.find(({ column }) => column.adoption?.write === 'plaintext');
  if (early === undefined) return;
  throw new ConfigurationError(
    `Services still write ${early.table}.${early.column.adoption!.column} in plaintext, says the declaration of ${early.label}.`,
    {
      hint: "Declare it with write: 'encrypted' and deploy that to every service first; or name the other columns.",
    },
  );
}
