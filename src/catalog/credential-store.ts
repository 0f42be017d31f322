import type { Sql } from 'postgres';
import type { DatabaseAddress } from '../connection/credentials.ts';
import type { CatalogSession } from './catalog-session.ts';
import type { SealedCredential } from './sealed-credential.ts';

/** Whose login: services', or the owner's, which services can't read. */
export type CredentialKind = 'service' | 'owner';

/** The owner's side of `tenancy.service_credentials` and `tenancy.owner_credentials`. Passwords are sealed before they come here. */
export class CredentialStore {
  readonly #session: CatalogSession;

  constructor(session: CatalogSession) {
    this.#session = session;
  }

  async find(kind: CredentialKind, address: DatabaseAddress): Promise<SealedCredential | undefined> {
    const [row] = await this.#session.query(
      { doing: `reading the ${kind} login of ${address.clusterId}/${address.database}` },
      (sql) => sql<
        {
          login: string;
          sealed: Buffer;
          created_at: Date;
        }[]
      >`
      select login, sealed, created_at from ${table(sql, kind)} where cluster_id = ${address.clusterId} and database = ${address.database}`,
    );
    if (row === undefined) return undefined;
    return Object.freeze({
      clusterId: address.clusterId,
      database: address.database,
      login: row.login,
      sealed: row.sealed,
      createdAt: row.created_at,
    });
  }

  /** Records a login, in place of the one that the database had. */
  async put(kind: CredentialKind, credential: Omit<SealedCredential, 'createdAt'>): Promise<void> {
    await this.#session.query(
      { doing: `recording the ${kind} login of ${credential.clusterId}/${credential.database}` },
      (sql) => sql`
      insert into ${table(sql, kind)} (cluster_id, database, login, sealed)
      values (${credential.clusterId}, ${credential.database}, ${credential.login}, ${credential.sealed})
      on conflict (cluster_id, database) do update set login = excluded.login, sealed = excluded.sealed, created_at = now()`,
    );
  }

  /** Every login, services' and owners'. */
  async all(): Promise<readonly { readonly kind: CredentialKind; readonly credential: SealedCredential }[]> {
    const rows = await this.#session.query(
      { doing: 'reading the logins' },
      (sql) => sql<{ kind: CredentialKind; cluster_id: string; database: string; login: string; sealed: Buffer; created_at: Date }[]>`
      select 'service' as kind, cluster_id, database, login, sealed, created_at from tenancy.service_credentials
      union all select 'owner', cluster_id, database, login, sealed, created_at from tenancy.owner_credentials order by 1, 2, 3`,
    );
    return rows.map(({ kind, cluster_id, database, login, sealed, created_at }) => ({
      kind,
      credential: Object.freeze({ clusterId: cluster_id, database, login, sealed, createdAt: created_at }),
    }));
  }

  /** Seals the password that a login has anew, if it is still that one. @returns whether it was */
  async reseal(kind: CredentialKind, before: SealedCredential, sealed: Buffer): Promise<boolean> {
    const rows = await this.#session.query(
      { doing: `sealing the ${kind} login of ${before.clusterId}/${before.database} anew` },
      (sql) => sql`
      update ${table(sql, kind)} set sealed = ${sealed}
      where cluster_id = ${before.clusterId} and database = ${before.database} and sealed = ${before.sealed} returning login`,
    );
    return rows.length > 0;
  }

  /** Every database that services have a login for. */
  async databases(): Promise<readonly DatabaseAddress[]> {
    const rows = await this.#session.query(
      { doing: 'reading which databases there are' },
      (sql) => sql<{ cluster_id: string; database: string }[]>`select cluster_id, database from tenancy.service_credentials order by 1, 2`,
    );
    return rows.map((row) => ({ clusterId: row.cluster_id, database: row.database }));
  }

  async remove(kind: CredentialKind, address: DatabaseAddress): Promise<void> {
    await this.#session.query(
      { doing: `removing the ${kind} login of ${address.clusterId}/${address.database}` },
      (sql) => sql`
      delete from ${table(sql, kind)} where cluster_id = ${address.clusterId} and database = ${address.database}`,
    );
  }
}

function table(sql: Sql, kind: CredentialKind) {
  return kind === 'service' ? sql`tenancy.service_credentials` : sql`tenancy.owner_credentials`;
}
