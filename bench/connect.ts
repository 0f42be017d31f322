import postgres, { type Sql } from 'postgres';
import { reach } from './reach.ts';
import type { Subject } from './subject.ts';
import { type SubjectName, subjectNames } from './subject-names.ts';
import { drizzle } from './subjects/drizzle.ts';
import { drizzleMultitenant } from './subjects/drizzle-multitenant.ts';
import { drizzleTransaction } from './subjects/drizzle-transaction.ts';
import { raw } from './subjects/raw.ts';
import { scoped } from './subjects/scoped.ts';
import { tenantTables } from './tables.ts';
import { tenantIds, type World } from './world.ts';

export interface ConnectOptions {
  /** All unless told. */
  readonly names?: readonly string[] | undefined;
  /** Connections of every subject, over all its databases. */
  readonly connections: number;
  /** Where the server is reached on 127.0.0.1; at its own address unless told. */
  readonly port?: number | undefined;
}

/** Connects subjects to a world, all by one address; subjects that were connected by another must be closed before. */
export async function connect(world: World, { names, connections, port }: ConnectOptions): Promise<readonly Subject[]> {
  const { platform, plain, documents } = world;
  const { host, port: reached } = await reach(world, port);
  const url = new URL(platform.adminUrl);
  Object.assign(url, { hostname: host, port: String(reached), pathname: `/${plain.name}` });
  Object.assign(url, { username: plain.login.user, password: plain.login.password });
  const client = (schema: string): Sql =>
    postgres(url.href, { max: connections, fetch_types: false, onnotice: () => {}, connection: { search_path: schema } });
  const tenancy = (ids: readonly string[], databases: number) => async (name: string) => {
    const opened = await platform.open({ lanes: { maxPerDatabase: Math.max(1, connections / databases) } });
    return scoped(name, opened, tenantTables, ids, documents / ids.length);
  };
  const shared = documents / tenantIds.row.length;
  const makers: Readonly<Record<SubjectName, (name: string) => Subject | Promise<Subject>>> = {
    raw: () => raw(client('open'), tenantIds.row, shared),
    drizzle: () => drizzle(client('open'), tenantIds.row, shared),
    'drizzle-transaction': () => drizzleTransaction(client('guarded'), tenantIds.row, shared),
    'drizzle-multitenant': () => drizzleMultitenant(url.href, tenantIds.multitenant, connections, documents / tenantIds.multitenant.length),
    'tenancy-row': tenancy(tenantIds.row, 1),
    'tenancy-schema': tenancy(tenantIds.schema, 1),
    'tenancy-database': tenancy(tenantIds.database, tenantIds.database.length),
  };
  const subjects: Subject[] = [];
  for (const name of subjectNames) if (names === undefined || names.includes(name)) subjects.push(await makers[name](name));
  return subjects;
}

export async function closeAll(subjects: readonly Subject[]): Promise<void> {
  await Promise.all(subjects.map((subject) => subject.close()));
}
