import { existsSync, readFileSync } from 'node:fs';

const folder = new URL('../../../../shared/vectors/', import.meta.url);

/** One group of published Wycheproof vectors (testvectors_v1). */
export interface VectorGroup<T> {
  readonly ivSize?: number;
  readonly keySize: number;
  readonly tagSize: number;
  readonly tests: readonly (T & { readonly tcId: number; readonly comment: string; readonly result: 'valid' | 'invalid' | 'acceptable' })[];
}

/** Whether the published vectors lie beside the repository; where they do not, their tests are skipped by name. */
export function hasVectors(file: string): boolean {
  return existsSync(new URL(file, folder));
}

/** Every group of a vector file. */
export function vectorGroups<T>(file: string): readonly VectorGroup<T>[] {
  return (JSON.parse(readFileSync(new URL(file, folder), 'utf8')) as { testGroups: VectorGroup<T>[] }).testGroups;
}

export const hex = (text: string): Buffer => Buffer.from(text, 'hex');
