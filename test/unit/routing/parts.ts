import { createSecretKey } from 'node:crypto';
import type { AuditEvent } from '../../../src/audit/audit-event.ts';
import { Auditor } from '../../../src/audit/auditor.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import { CachedCatalog } from '../../../src/catalog/cached-catalog.ts';
import type { ContextMaster } from '../../../src/catalog/context-master.ts';
import type { TenantRecord } from '../../../src/catalog/tenant-record.ts';
import type { LanePool } from '../../../src/connection/lane-pool.ts';
import type { StatementResult } from '../../../src/connection/statement.ts';
import { ClosedError } from '../../../src/errors.ts';
import type { KeyManager } from '../../../src/kms/key-manager.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { CatalogRouter, type CatalogRouterOptions } from '../../../src/routing/catalog-router.ts';
import type { PoolRequest } from '../../../src/routing/pool-request.ts';

export const answer: StatementResult = Object.freeze({ rows: [], rowCount: 0, command: 'SELECT' });

/** A pool that remembers what became of it. */
export class NotedPool implements LanePool {
  readonly request: PoolRequest;
  closed = false;
  units = 0;
  hold: Promise<void> | undefined;
  constructor(request: PoolRequest) {
    this.request = request;
  }
  get size(): number {
    return 1;
  }
  async run(): Promise<StatementResult> {
    if (this.closed) throw new ClosedError('A unit was given to a pool after close.');
    this.units++;
    await this.hold;
    return answer;
  }
  async transaction(): Promise<never> {
    throw new Error('not in this test');
  }
  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Unwraps every key to the wrapped bytes themselves and counts how often it was asked. */
export function openManager(region: string, provider = 'local'): { readonly manager: KeyManager; readonly unwraps: () => number } {
  let unwraps = 0;
  const manager = {
    provider,
    region,
    unwrap: async (wrapped: { ciphertext: Buffer }) => {
      unwraps++;
      return createSecretKey(wrapped.ciphertext);
    },
    close: async () => {},
  };
  return { manager: manager as unknown as KeyManager, unwraps: () => unwraps };
}

export function masterOf(keyId: string, createdAt: string, retiredAt?: string): ContextMaster {
  return {
    keyId,
    createdAt: new Date(createdAt),
    retiredAt: retiredAt === undefined ? undefined : new Date(retiredAt),
    wrapped: { provider: 'local', keyRef: 'platform', ciphertext: Buffer.alloc(32, keyId) },
  };
}

/** A router over records that the test changes, with everything it did written down. */
export function routerOf(records: Map<string, TenantRecord>, changes: Partial<CatalogRouterOptions> = {}) {
  const audited: AuditEvent[] = [];
  const pools: NotedPool[] = [];
  const checked: PoolRequest[] = [];
  const catalog = new CachedCatalog({ reader: { tenantRecord: async (id) => records.get(id) } });
  const { manager, unwraps } = openManager('us-east-1');
  const router = new CatalogRouter({
    catalog,
    masters: async () => [masterOf('k1', '2026-01-01')],
    managers: new KeyManagers(manager),
    credentials: async () => ({ user: 'tenancy_app', password: 'secret' }),
    openPool: (request) => {
      const pool = new NotedPool(request);
      pools.push(pool);
      return pool;
    },
    checkLogin: async (request) => {
      checked.push(request);
    },
    auditor: new Auditor([
      new FunctionAuditSink('list', (events) => {
        audited.push(...events);
      }),
    ]),
    runtimeRegion: 'us-east-1',
    ...changes,
  });
  return { router, catalog, audited, pools, checked, unwraps };
}
