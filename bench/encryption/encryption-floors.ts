import type { Floor } from '../floor.ts';
import type { EncryptionFigures } from './encryption-figures.ts';

/** How long a value is that the bound on its encryption is for. */
const shortValue = 64;
/** Fewer than ten in a hundred thousand queries. In a run of another length it says what that run had, and is extrapolated to nothing. */
const mostCalls = 9;

/** What was promised of encryption, with what was measured; what was not measured is left out. */
export function encryptionFloorsOf({ valueCosts, kmsCalls }: EncryptionFigures): readonly Floor[] {
  const most = { subject: 'encryption', atLeast: false } as const;
  const floors: Floor[] = valueCosts
    .filter(({ bytes }) => bytes === shortValue)
    .map(({ direction, bytes, ratio }) => ({
      ...most,
      text: `${direction} ${bytes} bytes: bare AES-256-GCM's time`,
      bound: 1.6,
      unit: '×',
      measured: ratio,
    }));
  if (kmsCalls !== undefined) {
    const { queries, tenants, warmCalls } = kmsCalls;
    const text = `key manager's calls in ${queries.toLocaleString('en')} queries of ${tenants} tenants with warm keys`;
    floors.push({ ...most, text, bound: mostCalls, unit: '', measured: warmCalls });
  }
  return floors;
}
