import type { BesideSlow } from './beside-slow.ts';
import type { ContextCost } from './context-cost.ts';
import type { EncryptionFigures } from './encryption/encryption-figures.ts';
import type { Machine } from './machine.ts';
import type { MemoryUse } from './memory.ts';
import type { PlanModes } from './plan-modes.ts';
import type { Result } from './result.ts';
import type { RoundTrips } from './round-trips.ts';

/** Everything that one run of the bench found: what `--json` prints. */
export interface BenchDocument {
  readonly machine: Machine;
  readonly results: readonly Result[];
  /** What the proxy made an echo's round trip longer by, in milliseconds, when `rttMs` of the results says 2. */
  readonly addedRoundTripMs: number | undefined;
  readonly roundTrips: readonly RoundTrips[];
  readonly besideSlow: readonly BesideSlow[];
  readonly memory: readonly MemoryUse[];
  readonly contextCost: readonly ContextCost[];
  readonly planModes: readonly PlanModes[];
  readonly encryption: EncryptionFigures;
}
