import postgres, { type Sql } from 'postgres';
import { failureCode } from '../catalog/catalog-failure.ts';
import type { Cluster } from '../catalog/cluster.ts';
import type { DatabaseCredentials } from '../connection/credentials.ts';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

/** Whether a pooler stands between: it gives its clients a process id of its own making, the server that of the backend. */
async function isPooled(sql: Sql): Promise<boolean> {
  const answer = await sql<{ pid: number }[]>`select pg_catalog.pg_backend_pid() as pid`;
  return answer.state.pid !== answer[0]?.pid;
}

/** Holds what answers where services connect against what the catalog says of it. */
export async function checkPooler(cluster: Cluster, credentials: DatabaseCredentials, database: VerifiedDatabase): Promise<CheckResult> {
  const location = locate(database, `${cluster.host}:${cluster.port}`);
  const sql = postgres({
    host: cluster.host,
    port: cluster.port,
    database: database.database,
    username: credentials.user,
    password: credentials.password,
    ssl: cluster.tls === 'verify-full' ? 'verify-full' : false,
    max: 1,
    prepare: false,
    fetch_types: false,
    connect_timeout: 10,
    onnotice: () => {},
    connection: { application_name: 'tenancy-verify' },
  });
  try {
    return { findings: poolerFindings(location, cluster.pooled, await isPooled(sql)), checked: 1 };
  } catch (error) {
    return {
      findings: [
        {
          id: 'service-address-closed',
          severity: 'info',
          location,
          message: `Where services connect, the service login could not be tried from here (${failureCode(error) ?? 'unknown'}).`,
          remedy: 'Run verify where services run, or check the cluster’s host and port if this process should reach them.',
        },
      ],
      checked: 0,
    };
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** Changes of the catalog are heard by LISTEN, which a pooler forgets. @param catalog a client of the catalog's database */
export async function checkCatalogListens(catalog: Sql): Promise<CheckResult> {
  const pooled = await isPooled(catalog);
  return {
    checked: 1,
    findings: pooled
      ? [
          {
            id: 'catalog-pooled',
            severity: 'error',
            location: 'catalog',
            message: 'The catalog is reached through a pooler: services would not hear its changes.',
            remedy: 'Give the catalog’s own address, of the server itself.',
          },
        ]
      : [],
  };
}

/** @param between whether something stands between the client and the server */
export function poolerFindings(location: string, marked: boolean, between: boolean): readonly Finding[] {
  if (marked === between) return [];
  return [
    between
      ? {
          id: 'pooler-unmarked',
          severity: 'error',
          location,
          message: 'A pooler answers, but the cluster is not marked as pooled: contexts are bound to a backend that they will not meet.',
          remedy: 'Set pooled: true for the cluster and run `tenancy init`, or give services the server’s own address.',
        }
      : {
          id: 'pooler-absent',
          severity: 'warning',
          location,
          message: 'The cluster is marked as pooled, but the server itself answers: contexts are bound to no backend without need.',
          remedy: 'Set pooled: false for the cluster and run `tenancy init`.',
        },
  ];
}
