import { createSecretKey, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { loadMigrations } from '../../../src/migrate/load-migrations.ts';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import type { MigrateTargetsOptions } from '../../../src/migrate/migrate-targets.ts';
import type { AppliedMigration, MigrationSource } from '../../../src/migrate/migration-source.ts';
import type { MigrationTarget } from '../../../src/migrate/migration-target.ts';
import { ContextSigner } from '../../../src/rls/context-token.ts';
import { installContextKey } from '../../../src/rls/install-context-key.ts';
import { installPolicies } from '../../../src/rls/install-policies.ts';
import { applySqlSet } from '../../../src/sql/sql-set.ts';
import { schemaNameOf } from '../../../src/tenant/tenant-id.ts';
import { adminClient, createDatabase, uniquePrefix, urlOf } from '../../support/server.ts';

/** The first migration of most tests. */
export const products = 'create table products (tenant_id text not null, id int not null, price int, primary key (tenant_id, id));';

/** A tenant database with its owner login and service login, schemas of tenants, and a central ledger in memory. */
export class Workshop implements AsyncDisposable {
  readonly prefix = uniquePrefix();
  readonly ledger = new Map<string, AppliedMigration[]>();
  readonly database = `${this.prefix}_shared`;
  readonly owner = `${this.prefix}_owner`;
  readonly app = `${this.prefix}_app`;
  readonly #directories: string[] = [];
  #admin: postgres.Sql | undefined;
  #ownerSql: postgres.Sql | undefined;
  #signer: ContextSigner | undefined;
  #database: AsyncDisposable | undefined;

  static async open(): Promise<Workshop> {
    const workshop = new Workshop();
    try {
      await workshop.#build();
      return workshop;
    } catch (error) {
      await workshop[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #build(): Promise<void> {
    const admin = adminClient();
    for (const role of [this.owner, this.app]) {
      await admin.unsafe(`create role ${role} login password 'pw' nosuperuser nocreatedb nocreaterole nobypassrls noinherit`);
    }
    await admin.end();
    this.#database = await createDatabase(this.database);
    this.#admin = adminClient(this.database);
    // The owner may create in public, so that a table that lands there is seen to land there.
    await this.#admin.unsafe(
      `alter database ${this.database} owner to ${this.owner}; revoke all on schema public from public; grant create on schema public to ${this.owner}`,
    );
    this.#ownerSql = postgres(this.ownerUrl, { max: 1, onnotice: () => {}, fetch_types: false });
    const key = createSecretKey(randomBytes(32));
    await applySqlSet(this.#ownerSql, 'database', { owner: this.owner, app: this.app });
    await installContextKey(this.#ownerSql, { keyId: 'k1', key });
    await this.#ownerSql.unsafe(
      'create table reference.currencies (code text primary key); create table reference.units (code text primary key)',
    );
    this.#signer = new ContextSigner({ key, keyId: 'k1', database: this.database, audience: this.owner });
  }

  get admin(): postgres.Sql {
    return this.#admin!;
  }
  get signer(): ContextSigner {
    return this.#signer!;
  }
  get ownerUrl(): string {
    return urlOf(this.owner, 'pw', this.database);
  }

  /** Makes the schemas of these tenants and says how to migrate them. */
  async tenants(...ids: readonly string[]): Promise<MigrationTarget[]> {
    for (const id of ids) {
      await this.#ownerSql!.unsafe(`create schema ${schemaNameOf(id)}; grant usage on schema ${schemaNameOf(id)} to ${this.app}`);
    }
    return ids.map((id) => this.target(id));
  }

  target(id: string, changes: Partial<MigrationTarget> = {}): MigrationTarget {
    return {
      key: id,
      clusterId: 'local',
      database: this.database,
      schema: schemaNameOf(id),
      isolation: 'schema',
      tenantId: id,
      ownerUrl: this.ownerUrl,
      contextToken: (backendPid) => this.signer.sign(id, backendPid),
      ...changes,
    };
  }

  /** A tenant with a first migration applied and policies installed, and two rows of its own beside one that isn't. */
  async tenantWithRows(id: string): Promise<void> {
    const [target] = await this.tenants(id);
    const { error } = await migrateTarget(target!, await this.source({ '0001_products.sql': products }), this.options());
    if (error !== undefined) throw error;
    await this.admin.unsafe(`insert into ${target!.schema}.products values ('${id}', 1, 10), ('${id}', 2, 20), ('other', 1, 30)`);
  }

  /** Writes migration files into a directory of their own and loads them. */
  async source(files: Readonly<Record<string, string>>): Promise<MigrationSource> {
    const directory = await mkdtemp(join(tmpdir(), 'migrations-'));
    this.#directories.push(directory);
    for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content);
    return loadMigrations(directory);
  }

  /** The hooks that a control plane would give. */
  options(changes: Partial<MigrateTargetsOptions> = {}): MigrateTargetsOptions {
    return {
      appliedByTarget: async () => this.ledger,
      afterMigrate: async (target) => this.installPolicies(target),
      recordLedger: async ({ key }, applied) => {
        const known = this.ledger.get(key) ?? [];
        this.ledger.set(key, [...known, ...applied.filter(({ migration }) => !known.some((entry) => entry.migration === migration))]);
      },
      ...changes,
    };
  }

  /** Policies, triggers and grants, as a control plane installs them. */
  async installPolicies({ schema, isolation, tenantId }: MigrationTarget): Promise<void> {
    await installPolicies(this.#ownerSql!, { schema, isolation, tenantId, ownerRole: this.owner, appRole: this.app });
  }

  async columns(schema: string, table: string): Promise<string[]> {
    const rows = await this
      .admin`select column_name as name from information_schema.columns where table_schema = ${schema} and table_name = ${table} order by ordinal_position`;
    return rows.map(({ name }) => String(name));
  }

  /** Sessions of migrations that are still there; and advisory locks. */
  async leftovers(): Promise<number> {
    const [row] = await this
      .admin`select (select count(*) from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database()))::int
      + (select count(*) from pg_stat_activity where datname = current_database() and application_name = 'tenancy-migrate')::int as n`;
    return Number(row!['n']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const directory of this.#directories) await rm(directory, { recursive: true, force: true });
    await this.#ownerSql?.end();
    await this.#admin?.end();
    await this.#database?.[Symbol.asyncDispose]();
    const admin = adminClient();
    await admin.unsafe(`drop role if exists ${this.owner}; drop role if exists ${this.app}`);
    await admin.end();
  }
}
