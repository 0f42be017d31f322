import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import postgres, { type Sql } from 'postgres';
import { ContextSigner } from '../../src/rls/context-token.ts';
import { installContextKey } from '../../src/rls/install-context-key.ts';
import { installPolicies } from '../../src/rls/install-policies.ts';
import { applySqlSet } from '../../src/sql/sql-set.ts';
import { schemaNameOf } from '../../src/tenant/tenant-id.ts';
import { adminClient, createDatabase, serverMajor, uniquePrefix, urlOf } from '../support/server.ts';

const driver = { max: 1, fetch_types: false, onnotice: () => {} } as const;

/** What a statement met: its rows, or the SQLSTATE that refused it. */
export type Outcome =
  | { readonly rows: readonly Record<string, unknown>[]; readonly count: number }
  | { readonly refused: string; readonly message: string };

/** A database as provisioning makes it: owner and service login without any privilege of their own, schema `tenancy`, a context key. */
export class PolicyDatabase implements AsyncDisposable {
  readonly prefix = uniquePrefix();
  readonly database = `${this.prefix}_shared`;
  readonly owner = `${this.prefix}_owner`;
  readonly app = `${this.prefix}_app`;
  readonly password = randomBytes(12).toString('hex');
  readonly keyId = 'k1';
  readonly key: KeyObject = createSecretKey(randomBytes(32));
  #made: AsyncDisposable | undefined;
  #clients: Sql[] = [];
  #admin: Sql | undefined;
  #ownerSql: Sql | undefined;
  #appSql: Sql | undefined;
  #major = 0;

  static async open(): Promise<PolicyDatabase> {
    const made = new PolicyDatabase();
    try {
      await made.#make();
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A superuser: to prepare, to take defences away, and to see what is really there. */
  get admin(): Sql {
    return this.#admin!;
  }
  get ownerSql(): Sql {
    return this.#ownerSql!;
  }
  get appSql(): Sql {
    return this.#appSql!;
  }
  get major(): number {
    return this.#major;
  }

  /** A further client of one of the logins, ended with the database. */
  client(login: string): Sql {
    const sql = postgres(urlOf(login, this.password, this.database), driver);
    this.#clients.push(sql);
    return sql;
  }

  signer(audience = this.app, now?: () => number): ContextSigner {
    return new ContextSigner({ key: this.key, keyId: this.keyId, database: this.database, audience, now });
  }

  /** A tenant's context for the service login, valid on every backend. */
  token(tenantId: string): string {
    return this.signer().sign(tenantId, 0);
  }

  /** Makes a tenant's own schema, with its tables made by the owner, and installs policies. */
  async tenant(tenantId: string, ddl: string): Promise<string> {
    const schema = schemaNameOf(tenantId);
    await this.asOwner(tenantId, `create schema ${schema}; set local search_path = ${schema}, reference, pg_temp; ${ddl}`);
    await this.install(schema, tenantId);
    return schema;
  }

  /** The same for the schema that tenants of row isolation share. */
  async pool(ddl: string): Promise<string> {
    await this.asOwner('*', `create schema pool; set local search_path = pool, reference, pg_temp; ${ddl}`);
    await this.install('pool', undefined);
    return 'pool';
  }

  async install(schema: string, tenantId: string | undefined): Promise<Awaited<ReturnType<typeof installPolicies>>> {
    return await installPolicies(this.ownerSql, {
      schema,
      isolation: tenantId === undefined ? 'row' : 'schema',
      tenantId,
      ownerRole: this.owner,
      appRole: this.app,
    });
  }

  /** Runs SQL as the service login under a context, in a transaction that is committed; undefined means no context at all. */
  async as(context: string | undefined, text: string, sql: Sql = this.appSql): Promise<Outcome> {
    return await attempt(sql, context, text);
  }

  /** The same, rolled back: what it would have met. */
  async wouldMeet(context: string | undefined, text: string): Promise<Outcome> {
    return await attempt(this.appSql, context, text, false);
  }

  /** Runs SQL as the owner, under the signed context of a tenant, of maintenance (`*`), or under none; throws what PostgreSQL throws. */
  async asOwner(tenantId: string | undefined, text: string): Promise<readonly Record<string, unknown>[]> {
    const token = tenantId === undefined ? '' : this.signer(this.owner).sign(tenantId, 0);
    return (await this.ownerSql.begin(async (transaction) => {
      await transaction`select set_config('tenancy.context', ${token}, true)`;
      return await transaction.unsafe(text);
    })) as readonly Record<string, unknown>[];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const sql of [...this.#clients, this.#appSql, this.#ownerSql, this.#admin]) await sql?.end({ timeout: 1 });
    await this.#made?.[Symbol.asyncDispose]();
    const server = adminClient();
    const roles = await server<
      { name: string }[]
    >`select rolname::text as name from pg_roles where starts_with(rolname::text, ${this.prefix})`;
    for (const { name } of roles) await server.unsafe(`drop role if exists "${name}"`);
    await server.end();
  }

  async #make(): Promise<void> {
    this.#major = await serverMajor();
    const server = adminClient();
    for (const role of [this.owner, this.app]) {
      await server.unsafe(
        `create role ${role} login password '${this.password}' nosuperuser nocreatedb nocreaterole nobypassrls noinherit`,
      );
    }
    this.#made = await createDatabase(this.database);
    await server.unsafe(`alter database ${this.database} owner to ${this.owner}`);
    await server.unsafe(`revoke all on database ${this.database} from public`);
    await server.unsafe(`grant connect on database ${this.database} to ${this.app}`);
    await server.end();
    this.#admin = adminClient(this.database);
    await this.#admin.unsafe('revoke all on schema public from public');
    this.#ownerSql = postgres(urlOf(this.owner, this.password, this.database), driver);
    this.#appSql = postgres(urlOf(this.app, this.password, this.database), driver);
    await applySqlSet(this.#ownerSql, 'database', { owner: this.owner, app: this.app });
    await installContextKey(this.#ownerSql, { keyId: this.keyId, key: this.key });
  }
}

/** A transaction's answer on its way out of one that is not to be kept. */
class Undone extends Error {
  readonly result: unknown;
  constructor(result: unknown) {
    super('rolled back on purpose');
    this.result = result;
  }
}

/** Runs SQL under a context in a transaction and says what it met, whatever that was. @param keep false to roll it back */
export async function attempt(sql: Sql, context: string | undefined, text: string, keep = true): Promise<Outcome> {
  const outcome = (result: unknown): Outcome => {
    // Several statements answer with a list of results: the last one counts.
    const all = result as readonly unknown[];
    const rows = (Array.isArray(all.at(-1)) ? all.at(-1) : all) as readonly Record<string, unknown>[] & { readonly count: number | null };
    return { rows: [...rows], count: rows.count ?? 0 };
  };
  try {
    return outcome(
      await sql.begin(async (transaction) => {
        if (context !== undefined) await transaction`select set_config('tenancy.context', ${context}, true)`;
        const result = await transaction.unsafe(text);
        if (!keep) throw new Undone(result);
        return result;
      }),
    );
  } catch (error) {
    if (error instanceof Undone) return outcome(error.result);
    if (!(error instanceof postgres.PostgresError)) throw error;
    return { refused: error.code, message: error.message };
  }
}

/** The rows that a statement saw or touched; a refusal is thrown. */
export function countOf(outcome: Outcome): number {
  if ('refused' in outcome) throw new Error(`refused (${outcome.refused}): ${outcome.message}`);
  return outcome.count;
}

/** The SQLSTATE of a refusal, or how many rows there were instead. */
export function refusalOf(outcome: Outcome): string {
  return 'refused' in outcome ? outcome.refused : `not refused: ${outcome.count} rows`;
}
