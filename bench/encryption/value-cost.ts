import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';
import { decryptValue, encryptValue } from '../../src/crypto/column-codec.ts';
import { newDataKey } from '../../src/crypto/data-key.ts';
import { LocalTenantKeys } from '../../src/crypto/local-tenant-keys.ts';
import { type Compared, compared } from './compared.ts';

/** One value through the codec of encrypted columns, beside bare AES-256-GCM of node:crypto on the same bytes; in microseconds. */
export interface ValueCost extends Compared {
  readonly direction: 'encrypt' | 'decrypt';
  /** The plaintext's length. */
  readonly bytes: number;
  readonly rounds: number;
}

const place = Object.freeze({ table: 'contacts', column: 'iban' });
/** As long as what the codec authenticates beside the value. */
const aad = Buffer.alloc(80, 'tenancy');
const options = Object.freeze({ authTagLength: 16 });
const [nonceLength, tagLength] = [12, 16];
/** So few that most rounds are over before the machine turns to something else. */
const valuesPerRound = 100;
const warmUpRounds = 80;

/** @throws the signal's reason once it is aborted */
export function measureValueCosts(sizes: readonly number[], rounds: number, signal: AbortSignal): readonly ValueCost[] {
  const key = newDataKey();
  const keys = new LocalTenantKeys({ tenantId: 'tenant-100', currentVersion: 1, dataKeys: new Map([[1, key]]), indexSecret: newDataKey() });
  return sizes.flatMap((bytes) => {
    const plaintext = randomBytes(bytes);
    const bare = bareEncrypt(key, plaintext);
    const encrypted = encryptValue(keys, place, plaintext);
    if (!bareDecrypt(key, bare).equals(plaintext) || !decryptValue(keys, place, encrypted).equals(plaintext)) {
      throw new Error('what was decrypted is not what was encrypted');
    }
    return [
      compare(
        { direction: 'encrypt', bytes, rounds },
        () => bareEncrypt(key, plaintext),
        () => encryptValue(keys, place, plaintext),
        signal,
      ),
      compare(
        { direction: 'decrypt', bytes, rounds },
        () => bareDecrypt(key, bare),
        () => decryptValue(keys, place, encrypted),
        signal,
      ),
    ];
  });
}

/** Lets both work in each round, one right after the other, and changes who is first from round to round. */
function compare(
  what: Pick<ValueCost, 'direction' | 'bytes' | 'rounds'>,
  bare: () => unknown,
  codec: () => unknown,
  signal: AbortSignal,
): ValueCost {
  const times: { readonly plain: number; readonly encrypted: number }[] = [];
  for (let round = 0; round < what.rounds + warmUpRounds; round++) {
    signal.throwIfAborted();
    const [first, second] = round % 2 === 0 ? [bare, codec] : [codec, bare];
    const [one, other] = [microsecondsOf(first), microsecondsOf(second)];
    if (round >= warmUpRounds) times.push(round % 2 === 0 ? { plain: one, encrypted: other } : { plain: other, encrypted: one });
  }
  return { ...what, ...compared(times) };
}

let last: unknown;

function microsecondsOf(work: () => unknown): number {
  const startedAt = performance.now();
  // Kept where it could be read, so that nothing is left out as unused.
  for (let i = 0; i < valuesPerRound; i++) last = work();
  if (last === undefined) throw new Error('nothing came of it');
  return ((performance.now() - startedAt) * 1_000) / valuesPerRound;
}

/** As Node's documentation has it: a random nonce of 12 bytes, and nonce, ciphertext and tag in one buffer. */
function bareEncrypt(key: KeyObject, plaintext: Buffer): Buffer {
  const nonce = randomBytes(nonceLength);
  const gcm = createCipheriv('aes-256-gcm', key, nonce, options);
  gcm.setAAD(aad);
  const ciphertext = gcm.update(plaintext);
  gcm.final();
  return Buffer.concat([nonce, ciphertext, gcm.getAuthTag()]);
}

function bareDecrypt(key: KeyObject, bytes: Buffer): Buffer {
  const tagAt = bytes.byteLength - tagLength;
  const gcm = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceLength), options);
  gcm.setAAD(aad).setAuthTag(bytes.subarray(tagAt));
  const plaintext = gcm.update(bytes.subarray(nonceLength, tagAt));
  gcm.final();
  return plaintext;
}
