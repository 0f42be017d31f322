import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Xaes256Gcm } from '../../../src/crypto/xaes-256-gcm.ts';
import { hex } from './vectors.ts';

const nonce = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWX');
const plaintext = Buffer.from('XAES-256-GCM');
const keyOf = (byte: number) => createSecretKey(Buffer.alloc(32, byte));

// Ciphertext and tag from c2sp.org/XAES-256-GCM. The commitments are those on which independent implementations of ePrint 2025/758
// agree. The first key's L has its top bit clear, the second's set.
const vectors = [
  {
    key: keyOf(1),
    aad: Buffer.alloc(0),
    sealed: 'ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271',
    commitment: '04076b6085eebab138855fe57811c04112eff989d44120dfff662d5475a383c3',
  },
  {
    key: keyOf(3),
    aad: Buffer.from('c2sp.org/XAES-256-GCM'),
    sealed: '986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d',
    commitment: '5553cd21d1592b422e3129632a3187eee8a658cdca5c5b32ce86308dcc18e9d1',
  },
];

describe('Xaes256Gcm', () => {
  it.each(vectors)('gives the published ciphertext, tag and commitment ($sealed)', ({ key, aad, sealed, commitment }) => {
    const made = Xaes256Gcm.for(key).seal(nonce, plaintext, aad);
    expect(Buffer.concat([made.ciphertext, made.tag]).toString('hex')).toBe(sealed);
    expect(made.commitment.toString('hex')).toBe(commitment);
    const message = Buffer.concat([Buffer.from('head'), nonce, made.commitment, made.ciphertext, made.tag]);
    expect(Xaes256Gcm.for(key).openMessage(message, 4, aad)).toEqual(plaintext);
    expect(Xaes256Gcm.for(key).open(nonce, made, aad)).toEqual(plaintext);
  });

  it('gives the published digest of 10,000 random messages', () => {
    const random = shakeStream();
    const digest = createHash('shake128', { outputLength: 32 });
    for (let i = 0; i < 10_000; i++) {
      const cipher = Xaes256Gcm.for(createSecretKey(random(32)));
      const messageNonce = random(24);
      const message = random(random(1)[0]!);
      const aad = random(random(1)[0]!);
      const made = cipher.seal(messageNonce, message, aad);
      digest.update(made.ciphertext).update(made.tag);
      if (i % 100 === 0) expect(cipher.open(messageNonce, made, aad)).toEqual(message);
    }
    expect(digest.digest('hex')).toBe('e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939');
  });

  it('computes a key’s subkey once', () => {
    const key = keyOf(7);
    expect(Xaes256Gcm.for(key)).toBe(Xaes256Gcm.for(key));
    expect(Xaes256Gcm.for(key)).not.toBe(Xaes256Gcm.for(keyOf(7)));
  });

  it('opens nothing that differs in one bit, anywhere', () => {
    const cipher = Xaes256Gcm.for(keyOf(9));
    const aad = Buffer.from('place');
    const made = cipher.seal(nonce, plaintext, aad);
    expect(cipher.open(nonce, made, aad)).toEqual(plaintext);
    for (const part of ['commitment', 'ciphertext', 'tag'] as const) {
      for (let bit = 0; bit < made[part].byteLength * 8; bit++)
        expect(cipher.open(nonce, { ...made, [part]: flipped(made[part], bit) }, aad)).toBeUndefined();
    }
    for (let bit = 0; bit < 24 * 8; bit++) expect(cipher.open(flipped(nonce, bit), made, aad)).toBeUndefined();
    expect(cipher.open(nonce, made, Buffer.from('plac'))).toBeUndefined();
    expect(Xaes256Gcm.for(keyOf(10)).open(nonce, made, aad)).toBeUndefined();
  });

  it('takes no short tag, commitment or nonce', () => {
    const cipher = Xaes256Gcm.for(keyOf(9));
    const aad = Buffer.alloc(0);
    const made = cipher.seal(nonce, plaintext, aad);
    expect(cipher.open(nonce, { ...made, tag: made.tag.subarray(0, 4) }, aad)).toBeUndefined();
    expect(cipher.open(nonce, { ...made, commitment: made.commitment.subarray(0, 31) }, aad)).toBeUndefined();
    expect(cipher.open(nonce.subarray(1), made, aad)).toBeUndefined();
    const message = Buffer.concat([nonce, made.commitment, made.ciphertext, made.tag]);
    expect(cipher.openMessage(message, 0, aad)).toEqual(plaintext);
    for (let length = 0; length < message.byteLength; length++)
      expect(cipher.openMessage(message.subarray(0, length), 0, aad)).toBeUndefined();
    expect(() => cipher.seal(nonce.subarray(12), plaintext, aad)).toThrow(/nonce of 12 bytes/);
    expect(() => Xaes256Gcm.for(createSecretKey(randomBytes(16)))).toThrow(/key of 16 bytes/);
  });

  it('says which key a commitment belongs to', () => {
    const made = Xaes256Gcm.for(keyOf(9)).seal(nonce, plaintext, Buffer.alloc(0));
    expect(Xaes256Gcm.for(keyOf(9)).commits(nonce, made.commitment)).toBe(true);
    expect(Xaes256Gcm.for(keyOf(8)).commits(nonce, made.commitment)).toBe(false);
    expect(Xaes256Gcm.for(keyOf(9)).commits(hex('00'), made.commitment)).toBe(false);
  });
});

/** SHAKE-128 of nothing, read as a stream. */
function shakeStream(): (length: number) => Buffer {
  const bytes = createHash('shake128', { outputLength: 10_000 * (32 + 24 + 2 * 256) }).digest();
  let at = 0;
  return (length) => {
    at += length;
    return bytes.subarray(at - length, at);
  };
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}
