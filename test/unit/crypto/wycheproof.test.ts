import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { hkdf } from '../../../src/crypto/hkdf.ts';
import { hasVectors, hex, vectorGroups } from './vectors.ts';

interface AeadVector {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}
interface HkdfVector {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}
interface MacVector {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}

/** The primitives that everything here stands on, checked as this runtime's OpenSSL has them. */
describe('published vectors (Wycheproof)', () => {
  it.skipIf(!hasVectors('aes_gcm_test.json'))('AES-GCM of node:crypto with 16-byte tags', () => {
    let checked = 0;
    for (const group of vectorGroups<AeadVector>('aes_gcm_test.json')) {
      if (group.ivSize !== 96 || group.tagSize !== 128) continue;
      const algorithm = `aes-${group.keySize}-gcm` as CipherGCMTypes;
      for (const vector of group.tests) {
        const decipher = createDecipheriv(algorithm, hex(vector.key), hex(vector.iv), { authTagLength: 16 });
        decipher.setAAD(hex(vector.aad)).setAuthTag(hex(vector.tag));
        const opened = (): string => decipher.update(hex(vector.ct), undefined, 'hex') + decipher.final('hex');
        if (vector.result === 'valid') {
          expect(opened(), `tcId ${vector.tcId}`).toBe(vector.msg);
          const cipher = createCipheriv(algorithm, hex(vector.key), hex(vector.iv), { authTagLength: 16 });
          cipher.setAAD(hex(vector.aad));
          expect(cipher.update(hex(vector.msg), undefined, 'hex') + cipher.final('hex')).toBe(vector.ct);
          expect(cipher.getAuthTag().toString('hex')).toBe(vector.tag);
        } else {
          expect(opened, `tcId ${vector.tcId}`).toThrow();
        }
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(100);
  });

  it.skipIf(!hasVectors('hkdf_sha256_test.json'))('hkdf', () => {
    let checked = 0;
    for (const group of vectorGroups<HkdfVector>('hkdf_sha256_test.json')) {
      for (const vector of group.tests) {
        const derive = (): string =>
          hkdf(createSecretKey(hex(vector.ikm)), hex(vector.info), { salt: hex(vector.salt), length: vector.size })
            .export()
            .toString('hex');
        if (vector.result === 'valid') expect(derive(), `tcId ${vector.tcId}`).toBe(vector.okm);
        else expect(derive, `tcId ${vector.tcId}`).toThrow();
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(50);
  });

  it.skipIf(!hasVectors('hmac_sha256_test.json'))('HMAC-SHA-256 of node:crypto', () => {
    let checked = 0;
    for (const group of vectorGroups<MacVector>('hmac_sha256_test.json')) {
      for (const vector of group.tests) {
        const tag = createHmac('sha256', createSecretKey(hex(vector.key)))
          .update(hex(vector.msg))
          .digest()
          .subarray(0, group.tagSize / 8);
        const fits = tag.byteLength === hex(vector.tag).byteLength && timingSafeEqual(tag, hex(vector.tag));
        expect(fits, `tcId ${vector.tcId}`).toBe(vector.result === 'valid');
        checked += 1;
      }
    }
    expect(checked).toBeGreaterThan(100);
  });
});
