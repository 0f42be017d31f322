import { databaseUrl, withAdmin } from './admin.ts';
import { measure } from './measure.ts';
import { rounded } from './result.ts';
import { median } from './statistics.ts';
import type { Subject } from './subject.ts';
import type { World } from './world.ts';

/** What the policies' verification of the signed context costs: the same point select, with one caller, under both kinds of policy. */
export interface ContextCost {
  readonly subject: string;
  /** Under the policies that this package installs. */
  readonly signedP50Ms: number;
  /** Under policies of the same form that believe the setting as it stands. */
  readonly plainP50Ms: number;
}

export interface ContextCostOptions {
  readonly rounds: number;
  readonly roundMs: number;
  readonly signal: AbortSignal;
  readonly onRound: (text: string) => void;
}

/** The tenant that the context claims to be, which only its signature proves. */
const believed = `(tenant_id = (select pg_catalog.split_part(pg_catalog.current_setting('tenancy.context', true), ':', 3)))`;

/**
 * Takes the signature's verification out of the policies of `products` and puts it back, round by round.
 *
 * @throws the signal's reason once it is aborted
 */
export async function measureContextCost(
  world: World,
  subjects: readonly Subject[],
  { rounds, roundMs, signal, onRound }: ContextCostOptions,
): Promise<readonly ContextCost[]> {
  const costs: ContextCost[] = [];
  for (const subject of subjects) {
    // One tenant: a schema's policies name theirs, a pool's none.
    const [tenantId] = subject.tenantIds;
    const { placement } = await world.platform.control.tenant(tenantId!);
    const select = async (ms: number): Promise<number> => (await measure(subject.operations['point-select']!, [tenantId!], 1, ms)).p50Ms;
    const [signed, plain]: [number[], number[]] = [[], []];
    await withAdmin(databaseUrl(world.platform.adminUrl, placement!.database), async (admin) => {
      const table = `"${placement!.schema}".products`;
      const policies = await admin<{ name: string; condition: string }[]>`
        select polname::text as name, pg_get_expr(polqual, polrelid) as condition from pg_policy
        where polrelid = ${table}::regclass and polname in ('tenancy_tenant', 'tenancy_tenant_restrictive')`;
      const install = async (conditionOf: (own: string) => string): Promise<void> =>
        void (await admin.unsafe(
          policies.map(({ name, condition }) => `alter policy ${name} on ${table} using (${conditionOf(condition)})`).join('; '),
        ));
      try {
        for (let round = 0; round < rounds; round++) {
          signal.throwIfAborted();
          onRound(`context-cost, ${subject.name}: round ${round + 1} of ${rounds}`);
          await install(() => believed);
          await select(roundMs / 2);
          plain.push(await select(roundMs));
          await install((own) => own);
          await select(roundMs / 2);
          signed.push(await select(roundMs));
        }
      } finally {
        await install((own) => own);
      }
    });
    costs.push({ subject: subject.name, signedP50Ms: rounded(median(signed)), plainP50Ms: rounded(median(plain)) });
  }
  return costs;
}
