import { loadavg } from 'node:os';
import type { BenchDocument } from './bench-document.ts';
import type { BenchOptions } from './bench-options.ts';
import { benchmark } from './benchmark.ts';
import { measureBesideSlow } from './beside-slow.ts';
import { operationOf } from './case.ts';
import { closeAll, connect } from './connect.ts';
import { measureContextCost } from './context-cost.ts';
import { measureEncryption } from './encryption/measure-encryption.ts';
import { guard, guardTenants } from './guard.ts';
import { declareLeakproof } from './leakproof.ts';
import { describeMachine } from './machine.ts';
import { type MemoryUse, measureMemory } from './memory.ts';
import { type Cell, type Plan, planOf } from './plan.ts';
import { measurePlanModes } from './plan-modes.ts';
import { startDelayProxy } from './proxy/delay-proxy.ts';
import { countRoundTrips, type RoundTrips } from './round-trips.ts';
import { measureScopeEntry } from './scope-entry.ts';
import { documentsInAll } from './stock.ts';
import type { Subject } from './subject.ts';
import { subjectNames } from './subject-names.ts';
import { TimeBudget } from './time-budget.ts';
import { createWorld, type World } from './world.ts';

interface Run {
  readonly world: World;
  readonly plan: Plan;
  readonly names: readonly string[];
  readonly budget: TimeBudget | undefined;
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

const connections = 10;
const distantRttMs = 2;
/** A quick run's measuring ends when the process is this old, in milliseconds; what is left is for closing. */
const quickUntilMs = 37_000;
const scopeEntryMs = 250;
/** A pool's policies and a schema's. */
const contextCostNames = ['tenancy-row', 'tenancy-schema'];
const contextCost = { rounds: 7, roundMs: 500 } as const;
const planModeRounds = 7;
const besideSlow = { rounds: 3, roundMs: 4_500 } as const;
/** The others hold up beside a slow neighbour as one of these does. */
const besideSlowNames = ['raw', 'drizzle', 'tenancy-row', 'tenancy-schema', 'tenancy-database'];

/**
 * Makes a world, measures in it, and takes it away again.
 *
 * @param adminUrl a superuser's URL; an embedded cluster is started when there is none
 * @throws the signal's reason once it is aborted
 */
export async function runBench(
  options: BenchOptions,
  adminUrl: string | undefined,
  signal: AbortSignal,
  say: (text: string) => void,
): Promise<BenchDocument> {
  const plan = planOf(options.quick, options.cases);
  const names = options.subjects.length > 0 ? options.subjects : subjectNames;
  const [loadBefore = 0] = loadavg();
  say('setting up a platform with tenants of three isolations');
  await using world = await createWorld(adminUrl, plan.documents ? documentsInAll : 0, signal);
  const weights = [...plan.direct, ...plan.distant].reduce((sum, { weight }) => sum + weight, 0);
  const budget = options.quick ? new TimeBudget(weights, quickUntilMs - process.uptime() * 1_000) : undefined;
  const run: Run = { world, plan, names, budget, signal, say };
  const machine = await describeMachine(world.version, loadBefore);
  const direct = await runDirect(run);
  const distant = await runDistant(run);
  const leakproof = await runLeakproof(run);
  const memory: MemoryUse[] = [];
  for (const tenants of plan.knownTenants) {
    say(`memory of ${tenants} known tenants`);
    memory.push(await measureMemory(world, tenants, signal));
  }
  const planModes = plan.planModes ? await measurePlanModes(world, { rounds: planModeRounds, signal, onRound: say }) : [];
  const { adminUrl: server } = world.platform;
  const encryption = await measureEncryption({ cases: plan.encryption, queries: options.queries, adminUrl: server, signal, onCase: say });
  return {
    machine,
    results: [...direct.results, ...distant.results, ...leakproof],
    addedRoundTripMs: distant.addedRoundTripMs,
    roundTrips: distant.roundTrips,
    besideSlow: direct.besideSlow,
    contextCost: direct.contextCost,
    memory,
    planModes,
    encryption,
  };
}

async function runDirect(run: Run): Promise<Pick<BenchDocument, 'results' | 'besideSlow' | 'contextCost'>> {
  const { world, plan, signal, say } = run;
  if (plan.direct.length === 0 && !plan.scopeEntry && !plan.besideSlow && !plan.contextCost)
    return { results: [], besideSlow: [], contextCost: [] };
  return await connected(run, undefined, async (subjects) => {
    const results = [...(await measured(run, subjects, plan.direct, 0))];
    if (plan.scopeEntry) for (const subject of subjects) results.push(...(await measureScopeEntry(subject, scopeEntryMs)));
    const beside = plan.besideSlow
      ? await measureBesideSlow(
          subjects.filter(({ name }) => besideSlowNames.includes(name)),
          { ...besideSlow, signal, onRound: say },
        )
      : { results: [], compared: [] };
    const costs = plan.contextCost
      ? await measureContextCost(
          world,
          subjects.filter(({ name }) => contextCostNames.includes(name)),
          { ...contextCost, signal, onRound: say },
        )
      : [];
    return { results: [...results, ...beside.results], besideSlow: beside.compared, contextCost: costs };
  });
}

async function runDistant(run: Run): Promise<Pick<BenchDocument, 'results' | 'roundTrips' | 'addedRoundTripMs'>> {
  const { world, plan, names, signal, say } = run;
  if (plan.distant.length === 0 && plan.roundTrips.length === 0) return { results: [], roundTrips: [], addedRoundTripMs: undefined };
  const server = new URL(world.platform.adminUrl);
  await using proxy = await startDelayProxy({ host: server.hostname, port: Number(server.port || 5432) });
  const addedRoundTripMs = await proxy.addRoundTripTime(distantRttMs);
  say(`the proxy adds ${addedRoundTripMs.toFixed(2)} ms to an echo's round trip`);
  const results =
    plan.distant.length === 0
      ? []
      : await connected(run, proxy.port, async (subjects) => await measured(run, subjects, plan.distant, distantRttMs));
  const roundTrips: RoundTrips[] = [];
  for (const statements of plan.roundTrips) {
    say(`round trips of transactions of ${statements}`);
    roundTrips.push(...(await countRoundTrips(world, proxy, names, statements, signal)));
  }
  return { results, roundTrips, addedRoundTripMs };
}

async function runLeakproof(run: Run): Promise<BenchDocument['results']> {
  const { world, plan } = run;
  if (plan.leakproof.length === 0) return [];
  await declareLeakproof(world);
  return await connected(run, undefined, async (subjects) => await measured(run, subjects, plan.leakproof, 0));
}

/** Checks every subject, then measures them. */
async function measured(run: Run, subjects: readonly Subject[], cells: readonly Cell[], rttMs: number): Promise<BenchDocument['results']> {
  const operations = new Set(cells.map((cell) => operationOf(cell.case)));
  for (const subject of subjects) {
    run.signal.throwIfAborted();
    await guard(subject, operations);
    await guardTenants(subject);
  }
  return await benchmark(subjects, cells, { budget: run.budget, rttMs, signal: run.signal, onCase: run.say });
}

/** Subjects on connections of their own, as long as the work takes. */
async function connected<T>(run: Run, port: number | undefined, work: (subjects: readonly Subject[]) => Promise<T>): Promise<T> {
  const subjects = await connect(run.world, { names: run.names, connections, port });
  try {
    return await work(subjects);
  } finally {
    await closeAll(subjects);
  }
}
