import { expect, it } from 'vitest';
import { fillNonce } from '../../../src/crypto/random-nonce.ts';

it('gives no bytes twice, whatever is asked for and however often the store runs out', () => {
  const seen = new Set<string>();
  let pieces = 0;
  for (let i = 0; i < 2_000; i++) {
    const nonce = Buffer.alloc([24, 12, 64, 8][i % 4]!);
    fillNonce(nonce);
    for (let at = 0; at < nonce.byteLength; at += 4) {
      if (at + 8 > nonce.byteLength) continue;
      seen.add(nonce.toString('hex', at, at + 8));
      pieces++;
    }
  }
  expect(seen.size).toBe(pieces);
});

it('fills the nonce and nothing beside it, with bytes that look random', () => {
  const ones = new Array<number>(192).fill(0);
  const rounds = 4_000;
  for (let i = 0; i < rounds; i++) {
    const around = Buffer.alloc(26);
    fillNonce(around.subarray(1, 25));
    expect([around[0], around[25]]).toEqual([0, 0]);
    for (let bit = 0; bit < 192; bit++) ones[bit]! += (around[1 + (bit >> 3)]! >> (bit & 7)) & 1;
  }
  // Ten standard deviations: a bit that is stuck is far outside.
  for (const count of ones) expect(Math.abs(count - rounds / 2)).toBeLessThan(5 * Math.sqrt(rounds));
});

it('gives none that its store can’t hold', () => {
  expect(() => fillNonce(Buffer.alloc(4_097))).toThrow(RangeError);
  expect(() => fillNonce(Buffer.alloc(4_096))).not.toThrow();
});
