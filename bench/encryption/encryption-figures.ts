import type { EncryptedSelect } from './encrypted-select.ts';
import type { KeyMemory } from './key-memory.ts';
import type { KmsCalls } from './kms-calls.ts';
import type { ValueCost } from './value-cost.ts';

/** The cases of encryption, which have figures of their own. */
export const encryptionCases = ['value-cost', 'encrypted-select', 'kms-calls', 'key-memory'] as const;
export type EncryptionCase = (typeof encryptionCases)[number];

/** What encryption costs. Empty or undefined: not measured. */
export interface EncryptionFigures {
  readonly valueCosts: readonly ValueCost[];
  readonly select?: EncryptedSelect | undefined;
  readonly kmsCalls?: KmsCalls | undefined;
  readonly keyMemory?: KeyMemory | undefined;
}
