import { randomFillSync } from 'node:crypto';
import { startupSnapshot } from 'node:v8';

/**
 * Random bytes that were not handed out yet. Asking for 24 costs as much as asking for thousands, half of what encrypting a short value takes.
 * Nonces are no secret: they stand in every ciphertext. That nobody gets the same ones twice is what matters, so they are counted off
 * before they are copied. Each thread has a store of its own, Node never forks its memory, and a startup snapshot takes none of it; a machine that is resumed twice from one
 * snapshot repeats these bytes just as it repeats what OpenSSL's generator, which lies in the same memory, would have given.
 */
const store = Buffer.alloc(4_096);
let left = 0;

// Every process that starts from the snapshot would hand out the same ones.
if (startupSnapshot.isBuildingSnapshot()) startupSnapshot.addSerializeCallback(() => (left = 0));

/** Fills a nonce with random bytes. */
export function fillNonce(nonce: Uint8Array): void {
  const size = nonce.byteLength;
  if (size > store.byteLength) throw new RangeError(`A nonce of ${size} bytes was asked for.`);
  if (left < size) {
    left = 0;
    randomFillSync(store);
    left = store.byteLength;
  }
  left -= size;
  nonce.set(store.subarray(left, left + size));
}
