import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newDataKey } from '../../src/crypto/data-key.ts';
import { AbortedError, ClosedError, KeyManagerError, type KeyManagerFailure } from '../../src/errors.ts';
import type { KeyContext, KeyManager, KeyProtection } from '../../src/kms/key-manager.ts';

export interface KeyManagerContractOptions {
  /** Days until deletion that this provider takes; 7 unless told. */
  readonly deletionDays?: number;
  /** Every how many bytes of a wrapped key one is changed; 1 unless told, more where a call is slow or costs money. */
  readonly tamperEvery?: number;
  /** What is asked for; `software` unless told. */
  readonly protection?: KeyProtection;
  /** What `describe` says of such keys; the same unless told. */
  readonly described?: KeyProtection;
}

const context: KeyContext = { tenantId: 'tenant-100', purpose: 'data' };

/**
 * What every key manager must do, whichever provider it stands for.
 *
 * @param make a fresh manager over keys of its own; called twice, closed by the suite
 */
export function describeKeyManager(name: string, make: () => Promise<KeyManager>, options: KeyManagerContractOptions = {}): void {
  const { deletionDays = 7, tamperEvery = 1, protection = 'software', described = protection } = options;

  describe(`${name}, as a key manager`, () => {
    let manager: KeyManager;
    let keyRef: string;

    beforeAll(async () => {
      manager = await make();
      keyRef = await manager.createKey({ tenantId: 'tenant-100', protection });
    });
    afterAll(() => manager.close());

    it('names its provider and region, and describes its keys', async () => {
      expect(manager.provider).not.toBe('');
      expect(manager.region).not.toBe('');
      const description = await manager.describe(keyRef);
      expect(description).toMatchObject({ keyRef, region: manager.region, protection: described, state: 'enabled' });
    });

    it('makes keys that differ', async () => {
      expect(await manager.createKey({ tenantId: 'tenant-100', protection })).not.toBe(keyRef);
    });

    it('gives a data key of 32 bytes, plain and wrapped, that unwraps to the same', async () => {
      const { key, wrapped } = await manager.generateDataKey(keyRef, context);
      expect(key.symmetricKeySize).toBe(32);
      expect(wrapped).toMatchObject({ provider: manager.provider, keyRef });
      expect(wrapped.ciphertext.includes(key.export())).toBe(false);
      expect((await manager.unwrap(wrapped, context)).equals(key)).toBe(true);
      const other = await manager.generateDataKey(keyRef, context);
      expect(other.key.equals(key)).toBe(false);
    });

    it('wraps a key that it is given, differently each time', async () => {
      const key = newDataKey();
      const [one, two] = [await manager.wrap(keyRef, key, context), await manager.wrap(keyRef, key, context)];
      expect(one.ciphertext.equals(two.ciphertext)).toBe(false);
      expect((await manager.unwrap(one, context)).equals(key)).toBe(true);
      expect((await manager.unwrap(two, context)).equals(key)).toBe(true);
    });

    it('refuses to unwrap for another tenant or purpose', async () => {
      const { wrapped } = await manager.generateDataKey(keyRef, context);
      for (const other of [
        { ...context, tenantId: 'tenant-200' },
        { ...context, purpose: 'blind-index' },
        { tenantId: 'data', purpose: 'tenant-100' },
        { tenantId: 'tenant-100d', purpose: 'ata' },
      ]) {
        expect(await reasonOf(manager.unwrap(wrapped, other))).toBeOneOf(['invalidCiphertext', 'wrongKey']);
      }
      expect(await reasonOf(manager.unwrap(wrapped, context))).toBeUndefined();
    });

    it('refuses to unwrap with another key', async () => {
      const { wrapped } = await manager.generateDataKey(keyRef, context);
      const other = await manager.createKey({ tenantId: 'tenant-100', protection });
      expect(await reasonOf(manager.unwrap({ ...wrapped, keyRef: other }, context))).toBeOneOf(['invalidCiphertext', 'wrongKey']);
      expect(await reasonOf(manager.unwrap({ ...wrapped, provider: 'elsewhere' }, context))).toBe('wrongKey');
    });

    it('refuses a wrapped key that was changed anywhere, shortened, lengthened or made up', async () => {
      const { wrapped } = await manager.generateDataKey(keyRef, context);
      const bytes = wrapped.ciphertext;
      const changed = [
        bytes.subarray(0, -1),
        bytes.subarray(1),
        Buffer.concat([bytes, Buffer.of(0)]),
        Buffer.alloc(0),
        randomBytes(bytes.byteLength),
      ];
      for (let at = 0; at < bytes.byteLength; at += tamperEvery) {
        const copy = Buffer.from(bytes);
        copy[at]! ^= 1 << (at % 8);
        changed.push(copy);
      }
      for (const ciphertext of changed)
        expect(await reasonOf(manager.unwrap({ ...wrapped, ciphertext }, context))).toBeOneOf(['invalidCiphertext', 'wrongKey']);
    });

    it('wraps the same key anew, under the same KEK or another', async () => {
      const { key, wrapped } = await manager.generateDataKey(keyRef, context);
      const again = await manager.rewrap(wrapped, context);
      expect(again.keyRef).toBe(keyRef);
      expect(again.ciphertext.equals(wrapped.ciphertext)).toBe(false);
      const target = await manager.createKey({ tenantId: 'tenant-100', protection });
      const moved = await manager.rewrap(wrapped, context, target);
      expect(moved.keyRef).toBe(target);
      for (const one of [again, moved]) expect((await manager.unwrap(one, context)).equals(key)).toBe(true);
      expect(await reasonOf(manager.rewrap(wrapped, { ...context, tenantId: 'tenant-200' }))).toBeOneOf(['invalidCiphertext', 'wrongKey']);
    });

    it('does no work with a disabled key', async () => {
      const disabled = await manager.createKey({ tenantId: 'tenant-100', protection });
      const { wrapped } = await manager.generateDataKey(disabled, context);
      await manager.disable(disabled);
      await manager.disable(disabled);
      expect((await manager.describe(disabled)).state).toBe('disabled');
      await expectRefusal(manager, disabled, wrapped, 'disabled');
    });

    it('does no work with a key that is to be deleted', async () => {
      const doomed = await manager.createKey({ tenantId: 'tenant-100', protection });
      const { wrapped } = await manager.generateDataKey(doomed, context);
      await manager.scheduleDeletion(doomed, deletionDays);
      expect((await manager.describe(doomed)).state).toBe('pendingDeletion');
      await expectRefusal(manager, doomed, wrapped, 'pendingDeletion');
    });

    it('says notFound of a key that is not there', async () => {
      const absent = `${keyRef}-absent`;
      const { wrapped } = await manager.generateDataKey(keyRef, context);
      await expectRefusal(manager, absent, { ...wrapped, keyRef: absent }, 'notFound');
      for (const work of [
        () => manager.describe(absent),
        () => manager.disable(absent),
        () => manager.scheduleDeletion(absent, deletionDays),
      ]) {
        expect(await reasonOf(work())).toBe('notFound');
      }
    });

    it('works at the same time for many', async () => {
      const made = await Promise.all(
        Array.from({ length: 12 }, (_, i) => manager.generateDataKey(keyRef, { tenantId: `tenant-${i}`, purpose: 'data' })),
      );
      const opened = await Promise.all(made.map(({ wrapped }, i) => manager.unwrap(wrapped, { tenantId: `tenant-${i}`, purpose: 'data' })));
      expect(opened.every((key, i) => key.equals(made[i]!.key))).toBe(true);
      const refs = await Promise.all(Array.from({ length: 6 }, () => manager.createKey({ tenantId: 'tenant-300', protection })));
      expect(new Set(refs).size).toBe(6);
      for (const ref of refs) expect((await manager.describe(ref)).state).toBe('enabled');
    });

    it('heeds a signal that is aborted', async () => {
      const call = { signal: AbortSignal.abort() };
      const { wrapped } = await manager.generateDataKey(keyRef, context);
      await expect(manager.generateDataKey(keyRef, context, call)).rejects.toBeInstanceOf(AbortedError);
      await expect(manager.unwrap(wrapped, context, call)).rejects.toBeInstanceOf(AbortedError);
      await expect(manager.createKey({ tenantId: 'tenant-100', protection }, call)).rejects.toBeInstanceOf(AbortedError);
    });

    it('puts no key material into errors', async () => {
      const { key, wrapped } = await manager.generateDataKey(keyRef, context);
      const error = await manager.unwrap(wrapped, { ...context, purpose: 'other' }).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      for (const encoding of ['hex', 'base64'] as const)
        expect(`${String(error)}${JSON.stringify(error)}`).not.toContain(key.export().toString(encoding));
    });

    it('can be closed twice and does nothing after', async () => {
      const closing = await make();
      const ref = await closing.createKey({ tenantId: 'tenant-100', protection });
      await closing.close();
      await closing.close();
      await expect(closing.generateDataKey(ref, context)).rejects.toBeInstanceOf(ClosedError);
      await expect(closing.createKey({ tenantId: 'tenant-100', protection })).rejects.toBeInstanceOf(ClosedError);
    });
  });
}

async function expectRefusal(
  manager: KeyManager,
  keyRef: string,
  wrapped: Parameters<KeyManager['unwrap']>[0],
  reason: KeyManagerFailure,
): Promise<void> {
  expect(await reasonOf(manager.generateDataKey(keyRef, context))).toBe(reason);
  expect(await reasonOf(manager.wrap(keyRef, newDataKey(), context))).toBe(reason);
  expect(await reasonOf(manager.unwrap(wrapped, context))).toBe(reason);
  expect(await reasonOf(manager.rewrap(wrapped, context))).toBe(reason);
}

/** The reason of a KeyManagerError, undefined when the work succeeded; anything else fails the test. */
async function reasonOf(work: Promise<unknown>): Promise<KeyManagerFailure | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof KeyManagerError) return error.reason;
    throw error;
  }
}
