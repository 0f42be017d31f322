import { describe, expect, test } from 'vitest';
import { Auditor } from '../../../src/audit/auditor.ts';
import { FunctionAuditSink } from '../../../src/audit-store/function-audit-sink.ts';
import type { TenantRecord } from '../../../src/catalog/tenant-record.ts';
import {
  AuditUnavailableError,
  CatalogError,
  ClosedError,
  ConfigurationError,
  LaneLostError,
  LoginRefusedError,
  ResidencyError,
  TenantInactiveError,
  UnknownTenantError,
} from '../../../src/errors.ts';
import { recordOf } from '../catalog/records.ts';
import { answer, masterOf, routerOf } from './parts.ts';

const records = (...list: TenantRecord[]): Map<string, TenantRecord> => new Map(list.map((record) => [record.tenant.id, record]));
const unit = { context: undefined, statement: undefined } as never;

/** The fields of `v1:<keyId>:<tenant>:<audience>:<expires>:<pid>:<grant>:<mac>`. */
function fieldsOf(token: string) {
  const [version, keyId, tenant, audience, , pid, grant] = token.split(':');
  return { version, keyId, tenant, audience, pid, grant };
}

describe('CatalogRouter', () => {
  test('makes one route and finds it again at once', async () => {
    const { router, pools, checked, unwraps } = routerOf(records(recordOf('acme'), recordOf('globex')));
    expect(router.cached('acme')).toBeUndefined();
    const [route, again] = await Promise.all([router.route('acme'), router.route('acme')]);
    expect(again).toBe(route);
    expect(router.cached('acme')).toBe(route);
    const other = await router.route('globex');
    expect(other.pool).toBe(route.pool);
    expect([pools.length, checked.length, unwraps()]).toEqual([1, 1, 1]);
    expect(Object.isFrozen(route)).toBe(true);
    expect(route.context).toMatchObject({ tenantId: 'acme', searchPath: undefined, raw: false });
    expect(route.rawContext).toMatchObject({ tenantId: 'acme', searchPath: '"acme", "reference", "extensions", pg_temp', raw: true });
    expect(await route.pool.run(unit)).toBe(answer);
    await router.close();
    expect(pools[0]!.closed).toBe(true);
  });

  test('signs for the tenant, the login and the backend; another tenant’s route signs another tenant', async () => {
    const { router } = routerOf(records(recordOf('acme'), recordOf('globex')));
    const acme = await router.route('acme');
    const globex = await router.route('globex');
    expect(fieldsOf(acme.context.sign(42))).toEqual({
      version: 'v1',
      keyId: 'k1',
      tenant: 'acme',
      audience: 'tenancy_app',
      pid: '42',
      grant: '',
    });
    expect(fieldsOf(globex.rawContext.sign(0))).toMatchObject({ tenant: 'globex', pid: '0' });
    await router.close();
  });

  test('the grant that a unit runs under is in the context that it is signed', async () => {
    const { router } = routerOf(records(recordOf('acme')));
    const { context } = await router.route('acme');
    const grant = '0b6c4d0e-0000-4000-8000-000000000001';
    expect(fieldsOf(context.sign(1, grant)).grant).toBe(grant);
    expect(fieldsOf(context.sign(1)).grant).toBe('');
    await router.close();
  });

  test('a changed record makes another route; an unchanged one keeps it', async () => {
    const map = records(recordOf('acme'));
    const { router, catalog, pools } = routerOf(map);
    const route = await router.route('acme');
    map.set('acme', recordOf('acme', { epoch: 2 }));
    expect(router.cached('acme')).toBe(route);
    catalog.invalidate('acme');
    expect(router.cached('acme')).toBeUndefined();
    const moved = await router.route('acme');
    expect(moved.placement.epoch).toBe(2);
    expect(pools).toHaveLength(1);
    await router.close();
  });

  test.each(['provisioning', 'suspended', 'offboarded'] as const)(
    'a tenant that is %s is not served, and nothing opens',
    async (status) => {
      const { router, pools, checked } = routerOf(records(recordOf('acme', { status })));
      await expect(router.route('acme')).rejects.toThrow(TenantInactiveError);
      expect(router.cached('acme')).toBeUndefined();
      expect([pools.length, checked.length]).toEqual([0, 0]);
      await router.close();
    },
  );

  test('a served tenant that is suspended loses its route', async () => {
    const map = records(recordOf('acme'));
    const { router, catalog } = routerOf(map);
    await router.route('acme');
    map.set('acme', recordOf('acme', { status: 'suspended' }));
    catalog.invalidate('acme');
    await expect(router.route('acme')).rejects.toThrow(TenantInactiveError);
    expect(router.cached('acme')).toBeUndefined();
    await router.close();
  });

  test('an unknown tenant is not routed', async () => {
    const { router } = routerOf(records());
    await expect(router.route('ghost')).rejects.toThrow(UnknownTenantError);
    await router.close();
  });

  test.each([
    ['this process', recordOf('acme', { region: 'eu-west-1', residency: ['eu-west-1'] }), 'this process runs in us-east-1'],
    ['the cluster', recordOf('acme', { region: 'eu-west-1', residency: ['us-east-1'] }), 'its cluster us-1 stands in eu-west-1'],
    ['the key manager', recordOf('acme', { keyRegion: 'ap-south-1' }), 'its key manager stands in ap-south-1'],
  ])('refuses and audits where %s stands elsewhere, before a login is asked for or a pool opened', async (_what, record, message) => {
    let asked = 0;
    const { router, pools, checked, audited } = routerOf(records(record), {
      credentials: async () => {
        asked++;
        return { user: 'u', password: 'p' };
      },
    });
    const error = await router.route('acme').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ResidencyError);
    expect((error as ResidencyError).message).toContain(message);
    expect([pools.length, checked.length, asked]).toEqual([0, 0, 0]);
    expect(audited).toHaveLength(1);
    expect(audited[0]).toMatchObject({
      action: 'residency',
      outcome: 'refused',
      tenantId: 'acme',
      errorCode: 'RESIDENCY',
      id: (error as ResidencyError).auditId,
    });
    await router.close();
  });

  test('a refusal that can’t be recorded is a refusal all the same', async () => {
    const { router, pools } = routerOf(records(recordOf('acme', { region: 'eu-west-1' })), {
      auditor: new Auditor([
        new FunctionAuditSink('full', () => {
          throw new Error('full');
        }),
      ]),
    });
    const error = await router.route('acme').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ResidencyError);
    expect((error as ResidencyError).cause).toBeInstanceOf(AuditUnavailableError);
    expect(pools).toHaveLength(0);
    await router.close();
  });

  test('a login that could step over row-level security opens no pool, is audited and is checked again', async () => {
    let checks = 0;
    const { router, pools, audited } = routerOf(records(recordOf('acme')), {
      checkLogin: async () => {
        if (++checks < 3) throw new LoginRefusedError('The login postgres is a superuser.');
      },
    });
    const error = await router.route('acme').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(LoginRefusedError);
    expect((error as LoginRefusedError).auditId).toBe(audited[0]!.id);
    await expect(router.route('acme')).rejects.toThrow(LoginRefusedError);
    expect(pools).toHaveLength(0);
    expect(audited.map(({ action, outcome, detail }) => [action, outcome, detail['login']])).toEqual([
      ['login', 'refused', 'tenancy_app'],
      ['login', 'refused', 'tenancy_app'],
    ]);
    await router.route('acme');
    expect(pools).toHaveLength(1);
    await router.close();
  });

  test('a tenant whose keys need another provider’s manager is refused', async () => {
    const record = { ...recordOf('acme'), keyLocations: [{ provider: 'aws', region: 'us-east-1' }] };
    const { router, pools } = routerOf(records(record));
    await expect(router.route('acme')).rejects.toThrow(ConfigurationError);
    expect(pools).toHaveLength(0);
    await router.close();
  });

  test('the newest master that is not retired signs; without one nothing is signed', async () => {
    let masters = [masterOf('k1', '2026-01-01'), masterOf('k3', '2026-03-01', '2026-03-02'), masterOf('k2', '2026-02-01')];
    const { router, catalog, unwraps } = routerOf(records(recordOf('acme')), { masters: async () => masters });
    expect(fieldsOf((await router.route('acme')).context.sign(1)).keyId).toBe('k2');
    catalog.invalidate();
    expect(fieldsOf((await router.route('acme')).context.sign(1)).keyId).toBe('k2');
    expect(unwraps()).toBe(1);
    masters = [masterOf('k1', '2026-01-01')];
    catalog.invalidate();
    expect(fieldsOf((await router.route('acme')).context.sign(1)).keyId).toBe('k1');
    masters = [];
    catalog.invalidate();
    await expect(router.route('acme')).rejects.toThrow(CatalogError);
    await router.close();
  });

  test('a login that changed gets a pool of its own; what runs on the old one ends first', async () => {
    let password = 'one';
    const { router, catalog, pools } = routerOf(records(recordOf('acme')), {
      credentials: async () => ({ user: 'tenancy_app', password }),
    });
    const route = await router.route('acme');
    catalog.invalidate();
    await router.route('acme');
    expect(pools).toHaveLength(1);

    let release = (): void => {};
    pools[0]!.hold = new Promise((resolve) => {
      release = resolve;
    });
    const running = route.pool.run(unit);
    password = 'two';
    catalog.invalidate();
    const renewed = await router.route('acme');
    expect(pools.map(({ request, closed }) => [request.credentials.password, closed])).toEqual([
      ['one', false],
      ['two', false],
    ]);
    release();
    expect(await running).toBe(answer);
    expect(pools[0]!.closed).toBe(true);
    await renewed.pool.run(unit);
    expect(pools[1]!.units).toBe(1);
    await expect(route.pool.run(unit)).rejects.toThrow(LaneLostError);
    await router.close();
  });

  test('after close nothing is routed', async () => {
    const { router } = routerOf(records(recordOf('acme')));
    await router.close();
    await expect(router.route('acme')).rejects.toThrow(ClosedError);
  });
});
