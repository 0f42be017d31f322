import type { Operated } from './case.ts';
import { measure } from './measure.ts';
import { reach } from './reach.ts';
import { rounded } from './result.ts';
import { median } from './statistics.ts';
import { scoped } from './subjects/scoped.ts';
import { tenantTables } from './tables.ts';
import { tenantIds, type World } from './world.ts';

/** What `lanes: { planCacheMode: 'force_generic_plan' }` gains where each tenant has a schema; operations a second with 32 callers. */
export interface PlanModes {
  readonly case: Operated;
  /** In the first moments of lanes that have seen nothing before, or once they know every statement. */
  readonly lanes: 'cold' | 'warm';
  readonly rounds: number;
  readonly auto: number;
  readonly generic: number;
  /** How many times the throughput without it: of each round, the median, the least and the most. */
  readonly ratio: number;
  readonly ratioLow: number;
  readonly ratioHigh: number;
}

export interface PlanModesOptions {
  readonly rounds: number;
  readonly signal: AbortSignal;
  readonly onRound: (text: string) => void;
}

const cases = ['update', 'point-select'] as const;
const callers = 32;
const connections = 10;
const [coldMs, between, warmMs] = [600, 1_500, 1_000];

type Rates = Readonly<Record<'cold' | 'warm', number>>;

/**
 * Opens a service anew for each mode in each round; the modes change places from round to round.
 *
 * @throws the signal's reason once it is aborted
 */
export async function measurePlanModes(world: World, { rounds, signal, onRound }: PlanModesOptions): Promise<readonly PlanModes[]> {
  await reach(world);
  const measured = new Map(cases.map((what) => [what, [] as { readonly auto: Rates; readonly generic: Rates }[]]));
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    onRound(`plan-modes: round ${round + 1} of ${rounds}`);
    const early = round % 2 === 0 ? undefined : await ratesOf(world, 'force_generic_plan');
    const auto = await ratesOf(world, undefined);
    const generic = early ?? (await ratesOf(world, 'force_generic_plan'));
    for (const what of cases) measured.get(what)!.push({ auto: auto.get(what)!, generic: generic.get(what)! });
  }
  return cases.flatMap((what) => (['cold', 'warm'] as const).map((lanes) => summary(what, lanes, measured.get(what)!)));
}

async function ratesOf(world: World, planCacheMode: 'force_generic_plan' | undefined): Promise<ReadonlyMap<Operated, Rates>> {
  const tenancy = await world.platform.open({ lanes: { maxPerDatabase: connections, planCacheMode } });
  const subject = scoped('tenancy-schema', tenancy, tenantTables, tenantIds.schema, 0);
  try {
    const rates = new Map<Operated, Rates>();
    for (const what of cases) {
      const rate = async (ms: number): Promise<number> =>
        (await measure(subject.operations[what]!, subject.tenantIds, callers, ms)).opsPerSecond;
      const cold = await rate(coldMs);
      await rate(between);
      rates.set(what, { cold, warm: await rate(warmMs) });
    }
    return rates;
  } finally {
    await subject.close();
  }
}

function summary(what: Operated, lanes: 'cold' | 'warm', rounds: readonly { readonly auto: Rates; readonly generic: Rates }[]): PlanModes {
  const ratios = rounds.map(({ auto, generic }) => generic[lanes] / auto[lanes]);
  return {
    case: what,
    lanes,
    rounds: rounds.length,
    auto: rounded(median(rounds.map(({ auto }) => auto[lanes]))),
    generic: rounded(median(rounds.map(({ generic }) => generic[lanes]))),
    ratio: rounded(median(ratios)),
    ratioLow: rounded(Math.min(...ratios)),
    ratioHigh: rounded(Math.max(...ratios)),
  };
}
