import { allCases, type Case, filterCases, leakproofCases, mainCases, type ownCases, preparedCases } from './case.ts';
import { type EncryptionCase, encryptionCases } from './encryption/encryption-figures.ts';

/** A case that alternates over the subjects, with so many callers. */
export interface Cell {
  readonly case: Exclude<Case, (typeof ownCases)[number]>;
  readonly callers: number;
  /** Its share of a run that must end in time, beside the others' shares. */
  readonly weight: number;
}

/** How long each subject works in each case, in milliseconds. */
export interface Lengths {
  /** At most so many; fewer where they would not end in time, one at least. */
  readonly rounds: number;
  readonly roundMs: number;
  readonly warmUpMs: number;
}

/** What a run consists of. */
export interface Plan {
  readonly direct: readonly Cell[];
  /** Through a proxy that adds two milliseconds to every round trip. */
  readonly distant: readonly Cell[];
  /** After the filters' operators were declared leakproof. */
  readonly leakproof: readonly Cell[];
  /** For how many known tenants memory is measured. */
  readonly knownTenants: readonly number[];
  readonly besideSlow: boolean;
  readonly scopeEntry: boolean;
  /** Whether policies are measured with and without the verification of the signed context. */
  readonly contextCost: boolean;
  /** Whether `lanes: { planCacheMode }` is measured where each tenant has a schema. */
  readonly planModes: boolean;
  readonly encryption: readonly EncryptionCase[];
  /** Of how many statements each transaction is whose round trips are counted. */
  readonly roundTrips: readonly number[];
  /** Whether tables with {@link filterCases}' documents are filled. */
  readonly documents: boolean;
}

const both = [1, 32] as const;

const fullPlan: Plan = {
  direct: cellsOf([...mainCases, ...preparedCases, ...filterCases], both),
  distant: cellsOf(mainCases, both),
  leakproof: cellsOf(leakproofCases, both),
  knownTenants: [1_000, 10_000],
  besideSlow: true,
  scopeEntry: true,
  contextCost: true,
  planModes: true,
  encryption: encryptionCases,
  roundTrips: [1, 5],
  documents: true,
};

const quickPlan: Plan = {
  direct: cellsOf(mainCases, both).map(weighed),
  distant: cellsOf(['point-select', 'transaction'], [1]).map(weighed),
  leakproof: [],
  knownTenants: [],
  besideSlow: false,
  scopeEntry: true,
  contextCost: false,
  planModes: false,
  encryption: [],
  roundTrips: [5],
  documents: false,
};

/**
 * @param only the cases that are wanted, and `memory`, `round-trips`, `context-cost`, `plan-modes` and those of encryption, which have figures of their own; all of the mode's when empty
 * @throws {TypeError} for a case that does not exist
 */
export function planOf(quick: boolean, only: readonly string[]): Plan {
  if (only.length === 0) return quick ? quickPlan : fullPlan;
  const known: readonly string[] = [...allCases, 'memory', 'round-trips', 'context-cost', 'plan-modes', ...encryptionCases];
  const unknown = only.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new TypeError(`there is no case ${unknown}; there are ${known.join(', ')}`);
  const wanted = (cells: readonly Cell[]): readonly Cell[] => cells.filter((cell) => only.includes(cell.case));
  const leakproof = wanted(fullPlan.leakproof);
  const direct = wanted(fullPlan.direct);
  return {
    direct,
    distant: wanted(fullPlan.distant),
    leakproof,
    knownTenants: only.includes('memory') ? fullPlan.knownTenants : [],
    besideSlow: only.includes('beside-slow'),
    scopeEntry: only.includes('scope-entry'),
    contextCost: only.includes('context-cost'),
    planModes: only.includes('plan-modes'),
    encryption: encryptionCases.filter((name) => only.includes(name)),
    roundTrips: only.includes('round-trips') ? fullPlan.roundTrips : [],
    documents: [...direct, ...leakproof].some((cell) => cell.case.startsWith('filter-')),
  };
}

export const fullLengths: Lengths = { rounds: 5, roundMs: 600, warmUpMs: 400 };

const shortest = 25;
const longest = 300;

/**
 * The lengths for a case that should end in time: what it has, shared by what there is to do.
 *
 * @param subjects how many there are
 * @param allowedMs for all of them together
 */
export function lengthsWithin(subjects: number, allowedMs: number): Lengths {
  const rounds = 3;
  const roundMs = Math.min(longest, Math.max(shortest, allowedMs / subjects / (rounds + 2)));
  return { rounds, roundMs, warmUpMs: 2 * roundMs };
}

/** With many callers the connections are opened first, and a select by its key is what most is said of. */
function weighed(cell: Cell): Cell {
  if (cell.case === 'point-select') return { ...cell, weight: cell.callers === 1 ? 2 : 8 };
  return { ...cell, weight: cell.callers === 1 ? 1 : 2 };
}

function cellsOf(cases: readonly Cell['case'][], callers: readonly number[]): readonly Cell[] {
  return cases.flatMap((what) => callers.map((count) => ({ case: what, callers: count, weight: 1 })));
}
