import { type Cipher, createCipheriv, createDecipheriv, type KeyObject, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';
import { requireDataKey } from './data-key.ts';

/** What {@link Xaes256Gcm.seal} makes of a plaintext. */
export interface XaesSealed {
  /** 32 bytes that only the key (and nonce) used here give. */
  readonly commitment: Buffer;
  /** As long as the plaintext. */
  readonly ciphertext: Buffer;
  /** 16 bytes. */
  readonly tag: Buffer;
}

/** What a key makes of one nonce. */
interface Derived {
  readonly messageKey: Buffer;
  readonly commitment: Buffer;
}

const ciphers = new WeakMap<KeyObject, Xaes256Gcm>();

/** What stands in front of the nonce's first 12 bytes in three blocks: two that the message key is made of, and the commitment's first. */
const domains = [Buffer.from([0, 1, 0x58, 0]), Buffer.from([0, 2, 0x58, 0]), Buffer.from('XCMT', 'latin1')] as const;
/** Node takes tags of 4 bytes as valid unless the length is given. */
const gcmOptions = Object.freeze({ authTagLength: 16 });

/** What goes into the block cipher: made once, since encrypting a short value takes a few microseconds in all. */
const first = new Uint8Array(48);
const second = new Uint8Array(32);

/**
 * XAES-256-GCM (c2sp.org/XAES-256-GCM) with the key commitment of KC-XAES-256-GCM (IACR ePrint 2025/758), on node:crypto alone.
 *
 * AES-256-GCM under one key must stop after 2³² random nonces; XAES derives a GCM key for each 24-byte nonce N and has no such limit:
 * ```
 * L  = AES(K, 0¹²⁸)      K1 = L « 1, its last byte xor 0x87 if L's top bit was set     (CMAC's subkey, once per key)
 * Kx = AES(K, 00 01 58 00 ‖ N[0..12) ⊕ K1) ‖ AES(K, 00 02 58 00 ‖ N[0..12) ⊕ K1)
 * ciphertext, tag = AES-256-GCM(Kx, N[12..24), plaintext, AAD)
 * ```
 * GCM does not commit to its key: one ciphertext can be built that opens under two keys. The commitment is the paper's, two CMACs that
 * share their first block, so three AES calls:
 * ```
 * X          = AES(K, "XCMT" ‖ N[0..12))
 * commitment = AES(K, X ⊕ (N[12..24) ‖ 00 01 00 01) ⊕ K1) ‖ AES(K, X ⊕ (N[12..24) ‖ 00 01 00 02) ⊕ K1)
 *            = CMAC(K, "XCMT" ‖ N ‖ 00 01 00 01) ‖ CMAC(K, "XCMT" ‖ N ‖ 00 01 00 02)
 * ```
 *
 * @example
 * ```ts
 * const { commitment, ciphertext, tag } = Xaes256Gcm.for(key).seal(nonce, plaintext, aad);
 * ```
 */
export class Xaes256Gcm {
  /** Bytes of a nonce; take them from a random generator, never from a counter that can restart. */
  static readonly nonceLength = 24;
  static readonly commitmentLength = 32;
  static readonly tagLength = 16;

  /** AES in ECB without padding is stateless between whole blocks, so that one cipher with its key schedule serves every message. */
  readonly #aes: Cipher;
  readonly #k1 = new Uint8Array(16);

  /**
   * The cipher of a key; L, K1 and the key schedule are computed once per KeyObject and go when it is collected.
   *
   * @throws {ConfigurationError} when the key has not 32 bytes
   */
  static for(key: KeyObject): Xaes256Gcm {
    let cipher = ciphers.get(key);
    if (cipher === undefined) {
      cipher = new Xaes256Gcm(key);
      ciphers.set(key, cipher);
    }
    return cipher;
  }

  private constructor(key: KeyObject) {
    this.#aes = createCipheriv('aes-256-ecb', requireDataKey(key), null).setAutoPadding(false);
    const l = this.#aes.update(Buffer.alloc(16));
    for (let i = 0; i < 16; i++) this.#k1[i] = (l[i]! << 1) | ((l[i + 1] ?? 0) >>> 7);
    // CMAC's field reduction, without a branch on key material.
    this.#k1[15]! ^= 0x87 & -(l[0]! >>> 7);
  }

  /**
   * @param nonce 24 bytes, never used before under this key
   * @throws {ConfigurationError} when the nonce has another length
   */
  seal(nonce: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): XaesSealed {
    if (nonce.byteLength !== Xaes256Gcm.nonceLength) {
      throw new ConfigurationError(`A nonce of ${nonce.byteLength} bytes was given where ${Xaes256Gcm.nonceLength} are needed.`);
    }
    const { messageKey, commitment } = this.#derive(nonce, 0);
    const gcm = createCipheriv('aes-256-gcm', messageKey, nonce.subarray(12), gcmOptions);
    messageKey.fill(0);
    gcm.setAAD(aad);
    const ciphertext = gcm.update(plaintext);
    gcm.final();
    return { commitment, ciphertext, tag: gcm.getAuthTag() };
  }

  /** The plaintext, or undefined when anything at all does not fit: callers raise one error for every reason. */
  open(nonce: Uint8Array, sealed: XaesSealed, aad: Uint8Array): Buffer | undefined {
    const { nonceLength, commitmentLength, tagLength } = Xaes256Gcm;
    if (nonce.byteLength !== nonceLength || sealed.commitment.byteLength !== commitmentLength || sealed.tag.byteLength !== tagLength)
      return undefined;
    return open(this.#derive(nonce, 0), nonce.subarray(12), sealed.commitment, sealed.ciphertext, sealed.tag, aad);
  }

  /**
   * {@link open} for nonce, commitment, ciphertext and tag one behind the other, to the end of `bytes`: fewer views of them are made.
   *
   * @param at where the nonce begins
   */
  openMessage(bytes: Uint8Array, at: number, aad: Uint8Array): Buffer | undefined {
    const commitmentAt = at + Xaes256Gcm.nonceLength;
    const ciphertextAt = commitmentAt + Xaes256Gcm.commitmentLength;
    const tagAt = bytes.byteLength - Xaes256Gcm.tagLength;
    if (tagAt < ciphertextAt) return undefined;
    return open(
      this.#derive(bytes, at),
      bytes.subarray(at + 12, commitmentAt),
      bytes.subarray(commitmentAt, ciphertextAt),
      bytes.subarray(ciphertextAt, tagAt),
      bytes.subarray(tagAt),
      aad,
    );
  }

  /** Whether a commitment was made with this key and nonce; compared in constant time. */
  commits(nonce: Uint8Array, commitment: Uint8Array): boolean {
    if (nonce.byteLength !== Xaes256Gcm.nonceLength || commitment.byteLength !== Xaes256Gcm.commitmentLength) return false;
    const derived = this.#derive(nonce, 0);
    derived.messageKey.fill(0);
    return timingSafeEqual(derived.commitment, commitment);
  }

  /** @param at where the nonce begins in `bytes` */
  #derive(bytes: Uint8Array, at: number): Derived {
    const k1 = this.#k1;
    for (let i = 0; i < 4; i++) {
      first[i] = domains[0][i]! ^ k1[i]!;
      first[i + 16] = domains[1][i]! ^ k1[i]!;
      first[i + 32] = domains[2][i]!;
    }
    for (let i = 4; i < 16; i++) {
      const byte = bytes[at + i - 4]!;
      first[i] = first[i + 16] = byte ^ k1[i]!;
      first[i + 32] = byte;
    }
    const keys = this.#aes.update(first);

    for (let i = 0; i < 12; i++) second[i] = second[i + 16] = keys[i + 32]! ^ bytes[at + i + 12]! ^ k1[i]!;
    for (let i = 12; i < 16; i++) second[i] = second[i + 16] = keys[i + 32]! ^ k1[i]!;
    second[13]! ^= 1;
    second[29]! ^= 1;
    second[15]! ^= 1;
    second[31]! ^= 2;
    return { messageKey: keys.subarray(0, 32), commitment: this.#aes.update(second) };
  }
}

function open(
  { messageKey, commitment }: Derived,
  iv: Uint8Array,
  claimed: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
  aad: Uint8Array,
): Buffer | undefined {
  try {
    if (!timingSafeEqual(commitment, claimed)) return undefined;
    const gcm = createDecipheriv('aes-256-gcm', messageKey, iv, gcmOptions);
    gcm.setAAD(aad).setAuthTag(tag);
    const plaintext = gcm.update(ciphertext);
    try {
      gcm.final();
    } catch {
      plaintext.fill(0);
      return undefined;
    }
    return plaintext;
  } finally {
    messageKey.fill(0);
  }
}
