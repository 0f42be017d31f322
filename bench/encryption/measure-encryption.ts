import { measureEncryptedSelect } from './encrypted-select.ts';
import type { EncryptionCase, EncryptionFigures } from './encryption-figures.ts';
import { createEncryptionWorld } from './encryption-world.ts';
import { measureKeyMemory } from './key-memory.ts';
import { countKmsCalls } from './kms-calls.ts';
import { measureValueCosts } from './value-cost.ts';

export interface MeasureEncryptionOptions {
  readonly cases: readonly EncryptionCase[];
  /** How many queries the key manager's calls are counted over. */
  readonly queries: number;
  /** A superuser's URL of the server. */
  readonly adminUrl: string;
  readonly signal: AbortSignal;
  /** Told before each case. */
  readonly onCase: (text: string) => void;
}

const valueSizes = [64, 1_024] as const;
const valueRounds = 1_000;
const selectRounds = 150;
const tenantsWithKeys = 100;
const tenantsInRing = 10_000;
const keyMemoryProcesses = 3;

/** @throws the signal's reason once it is aborted */
export async function measureEncryption(options: MeasureEncryptionOptions): Promise<EncryptionFigures> {
  const { cases, queries, adminUrl, signal, onCase } = options;
  let figures: EncryptionFigures = { valueCosts: [] };
  if (cases.includes('value-cost')) {
    onCase('value-cost');
    figures = { ...figures, valueCosts: measureValueCosts(valueSizes, valueRounds, signal) };
  }
  if (cases.includes('encrypted-select') || cases.includes('kms-calls')) {
    onCase(`setting up ${tenantsWithKeys} tenants with keys`);
    await using world = await createEncryptionWorld(adminUrl, tenantsWithKeys, signal);
    if (cases.includes('encrypted-select')) {
      onCase('encrypted-select');
      figures = { ...figures, select: await measureEncryptedSelect(world, selectRounds, signal) };
    }
    if (cases.includes('kms-calls')) {
      onCase(`kms-calls, ${queries} queries`);
      figures = { ...figures, kmsCalls: await countKmsCalls(world, queries, signal) };
    }
  }
  if (cases.includes('key-memory')) {
    onCase(`key-memory, ${tenantsInRing} tenants`);
    figures = { ...figures, keyMemory: await measureKeyMemory(tenantsInRing, keyMemoryProcesses, signal) };
  }
  return figures;
}
