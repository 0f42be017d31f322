import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type Pkcs11KeyManager, type Pkcs11KeyManagerOptions, pkcs11KeyManager } from '../../../src/kms/pkcs11.ts';
import { findKek, makeKek, newKekName } from '../../../src/kms/pkcs11-keks.ts';
import { knownKek, rememberKek } from '../../../src/kms/pkcs11-known-keks.ts';
import { classOf, findObjects } from '../../../src/kms/pkcs11-objects.ts';
import type { Handle } from '../../../src/kms/pkcs11-sdk.ts';
import { inSession, meddleWithKek } from '../../support/kms/pkcs11/meddler.ts';
import { pkcs11Sdk, SoftHsmTokens, softHsm, type TestLibrary } from '../../support/kms/pkcs11/softhsm.ts';

const installed = softHsm();
const context = { tenantId: 'tenant-100', purpose: 'data' };
const meddler = new URL('../../support/kms/pkcs11/meddler.ts', import.meta.url).href;

describe.skipIf(installed === undefined)(`handles, with SoftHSM ${installed?.version ?? '(not installed)'}`, () => {
  let tokens: SoftHsmTokens;
  let options: Pkcs11KeyManagerOptions & { readonly provider: string };
  // The body of a suite that is left out runs too.
  const sdk = pkcs11Sdk()!;
  const { C_FindObjectsInit: findInit } = (sdk?.PKCS11.prototype ?? {}) as TestLibrary;
  const open: Pkcs11KeyManager[] = [];

  beforeAll(() => {
    tokens = new SoftHsmTokens();
    options = { ...tokens.make('handles'), provider: 'pkcs11/handles' };
  });
  afterEach(async () => {
    for (const manager of open.splice(0)) await manager.close();
  });
  afterAll(() => tokens[Symbol.dispose]());

  function manager(): Pkcs11KeyManager {
    const made = pkcs11KeyManager(options);
    open.push(made);
    return made;
  }

  /** How often the token is searched during some work. */
  async function searches(counted: { mock: { calls: unknown[] } }, work: () => Promise<unknown>): Promise<number> {
    const before = counted.mock.calls.length;
    await work();
    return counted.mock.calls.length - before;
  }

  test('a key that was found is not searched for again in that session, until it is marked', async () => {
    const counted = vi.spyOn(sdk.PKCS11.prototype, 'C_FindObjectsInit').mockImplementation(function (this: TestLibrary, ...given) {
      findInit.apply(this, given);
    });
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const opens = async (): Promise<void> => expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    expect(await searches(counted, opens)).toBe(0);
    const p11 = new sdk.PKCS11();
    p11.load(options.module);
    for (const slot of p11.C_GetSlotList(true)) p11.C_CloseAllSessions(slot);
    expect(await searches(counted, opens)).toBe(1);
    expect(await searches(counted, opens)).toBe(0);
    await kms.disable(keyRef);
    for (let i = 0; i < 2; i += 1) {
      const refused = expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'disabled' });
      expect(await searches(counted, () => refused)).toBe(1);
    }
    // A key that somebody enabled by hand works, but has no clearance any more: whether it has marks is asked each time.
    await inSession(options, (session) => {
      const template = [
        { type: sdk.CKA_CLASS, value: sdk.CKO_DATA },
        { type: sdk.CKA_LABEL, value: keyRef },
      ];
      for (const object of findObjects(session, template)) session.library.C_DestroyObject(session.handle, object);
    });
    for (let i = 0; i < 2; i += 1) expect(await searches(counted, opens)).toBe(1);
    counted.mockRestore();
  });

  test.each(['another session', 'another process'])(
    'a key that %s destroyed and made again under its name is not taken for it',
    async (who) => {
      const kms = manager();
      const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
      const { key, wrapped } = await kms.generateDataKey(keyRef, context);
      expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
      const meddle = async (how: 'destroy' | 'make'): Promise<void> => {
        const given = [options, keyRef, how] as const;
        if (who === 'another session') return await meddleWithKek(...given);
        const script = `
        const { meddleWithKek } = await import(${JSON.stringify(meddler)});
        await meddleWithKek(...${JSON.stringify(given)});`;
        await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
      };
      await meddle('destroy');
      await meddle('make');
      await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'invalidCiphertext' });
      const again = await kms.generateDataKey(keyRef, context);
      expect((await kms.unwrap(again.wrapped, context)).equals(again.key)).toBe(true);
      await meddle('destroy');
      await expect(kms.unwrap(again.wrapped, context)).rejects.toMatchObject({ reason: 'notFound' });
      await expect(kms.wrap(keyRef, key, context)).rejects.toMatchObject({ reason: 'notFound' });
      const left = await inSession(options, (session) => findObjects(session, [{ type: sdk.CKA_LABEL, value: keyRef }]));
      expect(left).toHaveLength(0);
    },
  );

  test('a handle behind which there is another key now is not used', async () => {
    await inSession(options, (session) => {
      const [name, other] = [newKekName('tenant-100'), newKekName('tenant-100')];
      for (const one of [name, other]) makeKek(session, one);
      const [right, wrong] = [findKek(session, name)!.handle, findKek(session, other)!.handle];
      const clearanceOf = (label: string): Handle =>
        findObjects(session, [{ type: sdk.CKA_LABEL, value: label }]).find((object) => classOf(session, object) === sdk.CKO_DATA)!;
      const remembered = (key: Handle, clearance: Handle): Handle | undefined => {
        rememberKek(session, name, { key, clearance });
        return knownKek(session, name, Buffer.from(name.slice(-32), 'hex'));
      };
      const cleared = clearanceOf(name);
      expect(remembered(right, cleared)).toEqual(right);
      for (const [key, clearance] of [
        [wrong, cleared],
        [cleared, cleared],
        [right, clearanceOf(other)],
        [right, right],
        [Buffer.alloc(8, 0x7f), cleared],
      ] as const) {
        expect(remembered(key, clearance)).toBeUndefined();
        expect(findKek(session, name)?.handle).toEqual(right);
      }
    });
  });

  test('a manager that somebody logged out logs in again, and takes no key for missing', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    for (let i = 0; i < 2; i += 1) {
      await inSession(options, (session) => (session.library as TestLibrary).C_Logout(session.handle));
      expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    }
  });
});
