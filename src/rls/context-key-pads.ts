import type { KeyObject } from 'node:crypto';
import { ConfigurationError } from '../errors.ts';

const blockBytes = 64;

/**
 * HMAC-SHA-256's two padded keys (RFC 2104, section 2), as the database keeps them: PostgreSQL has `sha256` built in but no HMAC.
 *
 * @throws {ConfigurationError} when the key is longer than a block, which HMAC would have to hash first
 */
export function contextKeyPads(key: KeyObject): { readonly inner: Buffer; readonly outer: Buffer } {
  const secret = key.export();
  if (secret.length > blockBytes) throw new ConfigurationError(`A context key has at most ${blockBytes} bytes.`);
  const inner = Buffer.alloc(blockBytes, 0x36);
  const outer = Buffer.alloc(blockBytes, 0x5c);
  for (const [index, byte] of secret.entries()) {
    inner[index]! ^= byte;
    outer[index]! ^= byte;
  }
  secret.fill(0);
  return { inner, outer };
}
