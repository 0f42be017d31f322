import type { StringChunk } from 'drizzle-orm';
import { getTableConfig, type PgTable } from 'drizzle-orm/pg-core';
import postgres from 'postgres';
import { Auditor } from '../../../src/audit/auditor.ts';
import { createScopedDatabase, type ScopedDatabase } from '../../../src/database/scoped-database.ts';
import { isTenantTable } from '../../../src/database/table-kind.ts';
import { DirectPool, DirectRouter, MemorySink, TestKeyRing } from '../../support/direct-route.ts';
import { adminUrl, createDatabase, uniquePrefix } from '../../support/server.ts';
import { schema } from './encrypted-schema.ts';

/** Two tenants in one schema `pool` without policies, whose tables are made from the drizzle schema. */
export interface EncryptedWorld extends AsyncDisposable {
  /** Every statement that it finds in its shape cache is built and compared all the same. */
  readonly scoped: ScopedDatabase<typeof schema>;
  /** A service of another release, with its own declaration of the tables. */
  scopedBy<TSchema extends Record<string, unknown>>(schema: TSchema): ScopedDatabase<TSchema>;
  readonly pool: DirectPool;
  readonly keys: TestKeyRing;
  readonly sink: MemorySink;
  readonly admin: postgres.Sql;
}

/** @param more tables beside those of the sample schema */
export async function encryptedWorld(more: Record<string, unknown> = {}): Promise<EncryptedWorld> {
  const database = await createDatabase(`${uniquePrefix()}_db`);
  // Texts are JSON already, as on the library's own lanes.
  const json = {
    to: 3802,
    from: [114, 3802],
    serialize: (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value)),
    parse: JSON.parse,
  };
  const client = () => postgres(adminUrl(database.name), { max: 1, onnotice: () => {}, fetch_types: false, types: { json } });
  const admin = client();
  const tables = Object.values<unknown>({ ...schema, ...more })
    .filter(isTenantTable)
    .map(ddlOf)
    .join('\n');
  await admin.unsafe(`create schema reference; create schema pool; ${tables} create view pool.contacts as select * from pool.vendors;`);
  const lane = client();
  const pool = new DirectPool(lane);
  const keys = new TestKeyRing();
  const sink = new MemorySink();
  const scopedBy = <TSchema extends Record<string, unknown>>(of: TSchema) =>
    createScopedDatabase({
      schema: of,
      shapeCache: { verify: true },
      router: new DirectRouter(pool, { alpha: 'pool', beta: 'pool' }),
      keys,
      auditor: new Auditor([sink]),
    });
  return {
    scoped: scopedBy(schema),
    scopedBy,
    pool,
    keys,
    sink,
    admin,
    async [Symbol.asyncDispose]() {
      await Promise.all([admin.end(), lane.end()]);
      await database[Symbol.asyncDispose]();
    },
  };
}

function ddlOf(table: PgTable): string {
  const { name, columns, primaryKeys, uniqueConstraints, indexes, checks } = getTableConfig(table);
  const quoted = (of: readonly { readonly name: string }[]) => of.map((column) => `"${column.name}"`).join(', ');
  return `create table pool."${name}" (${[
    ...columns.map((column) => `"${column.name}" ${column.getSQLType()}${column.notNull ? ' not null' : ''}`),
    ...primaryKeys.map((key) => `primary key (${quoted(key.columns)})`),
    ...uniqueConstraints.map((key) => `unique (${quoted(key.columns)})`),
    ...checks.map(({ name: check, value }) => `constraint "${check}" check (${(value.queryChunks[0] as StringChunk).value.join('')})`),
  ].join(', ')});
    ${indexes.map(({ config }) => `create index "${config.name}" on pool."${name}" (${quoted(config.columns as never)});`).join('\n')}`;
}
