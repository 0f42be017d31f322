import postgres from 'postgres';
import { ClusterCap } from '../../src/connection/cluster-cap.ts';
import type { TransactionOptions, UnitContext } from '../../src/connection/lane.ts';
import type { LanePool } from '../../src/connection/lane-pool.ts';
import { PostgresLanePool } from '../../src/connection/postgres-lane-pool.ts';
import type { Statement, StatementResult } from '../../src/connection/statement.ts';
import { NotSupportedError, QueryFailedError } from '../../src/errors.ts';
import type { OpenPool } from '../../src/routing/pool-request.ts';
import type { LaneKind } from './lane-kinds.ts';

/** The pattern of a shared pool and a session-level setting: the context is set on one connection, the statement runs on whichever is free. */
export const sessionSettings: OpenPool = ({ cluster, database, credentials }): LanePool => {
  const { host, port } = cluster;
  const sql = postgres({
    host,
    port,
    database,
    user: credentials.user,
    password: credentials.password,
    max: 4,
    fetch_types: false,
    onnotice: () => {},
  });
  const apply = ({ sign, searchPath }: UnitContext, local: boolean): [text: string, values: string[]] => [
    `select set_config('tenancy.context', $1, ${local}), set_config('search_path', $2, ${local})`,
    [sign(0), searchPath ?? 'pg_catalog'],
  ];
  const execute = async (on: Pick<postgres.Sql, 'unsafe'>, { text, params, rows }: Statement): Promise<StatementResult> => {
    try {
      const query = on.unsafe(text, params as never[]);
      const result = rows === 'array' ? await query.values() : await query;
      return { rows: [...result], rowCount: result.count ?? 0, command: result.command ?? '' };
    } catch (error) {
      throw new QueryFailedError('A statement failed.', { sqlState: String((error as { code?: unknown }).code) });
    }
  };
  return {
    size: 4,
    run: async ({ context, statement }) => {
      await sql.unsafe(...apply(context, false));
      return await execute(sql, statement);
    },
    transaction: async <T>(context: UnitContext, _options: TransactionOptions, callback: Parameters<LanePool['transaction']>[2]) =>
      (await sql.begin(async (tx) => {
        await tx.unsafe(...apply(context, true));
        return await callback({
          over: false,
          execute: async (statement) => await execute(tx, statement),
          savepoint: async () => {
            throw new NotSupportedError('No savepoints here.');
          },
          copyTo: () => {
            throw new NotSupportedError('No COPY here.');
          },
        });
      })) as T,
    close: async () => await sql.end(),
  };
};

/** Real lanes under a cache that forgot the tenant in its key: what was signed first for a backend is used for all who come after. */
export function sharedTokens(kind: LaneKind): OpenPool {
  return ({ cluster, database, credentials }) => {
    const { host, port, tls } = cluster;
    const pool = new PostgresLanePool({
      cap: new ClusterCap(),
      clusterId: cluster.id,
      clusterMaxLanes: 4,
      maxLanes: 4,
      database,
      open: async (signal) => await kind.open({ host, port, tls, database, credentials, signal }),
    });
    const tokens = new Map<number, string>();
    const shared = (context: UnitContext): UnitContext => ({
      ...context,
      sign: (pid) => {
        const token = tokens.get(pid) ?? context.sign(pid);
        tokens.set(pid, token);
        return token;
      },
    });
    return {
      get size() {
        return pool.size;
      },
      run: async ({ context, statement }, signal) => await pool.run({ context: shared(context), statement }, signal),
      transaction: async (context, options, callback) => await pool.transaction(shared(context), options, callback),
      close: async () => await pool.close(),
    };
  };
}
