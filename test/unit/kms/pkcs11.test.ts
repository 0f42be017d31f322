import { execFile } from 'node:child_process';
import { inspect, promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { openKeys } from '../../../examples/kms/pkcs11.ts';
import { ConfigurationError } from '../../../src/errors.ts';
import { type Pkcs11KeyManager, type Pkcs11KeyManagerOptions, pkcs11KeyManager } from '../../../src/kms/pkcs11.ts';
import type { Handle } from '../../../src/kms/pkcs11-sdk.ts';
import { pkcs11Sdk, SoftHsmTokens, softHsm, type TestLibrary } from '../../support/kms/pkcs11/softhsm.ts';

const installed = softHsm();
const context = { tenantId: 'tenant-100', purpose: 'data' };
const source = new URL('../../../src/kms/pkcs11.ts', import.meta.url).href;

test('options that can not be used are refused', () => {
  const good = { module: '/lib.so', tokenLabel: 'token', pin: '1234', region: 'eu-central-1' };
  for (const name of ['module', 'pin', 'region']) expect(() => pkcs11KeyManager({ ...good, [name]: '' })).toThrow(ConfigurationError);
  expect(() => pkcs11KeyManager({ ...good, slot: 1 })).toThrow('either a tokenLabel or a slot');
  expect(() => pkcs11KeyManager({ ...good, tokenLabel: undefined })).toThrow('either a tokenLabel or a slot');
  expect(pkcs11KeyManager(good).provider).toBe('pkcs11/eu-central-1');
});

test.skipIf(pkcs11Sdk() === undefined)('a module that is none is refused with what to do', async () => {
  for (const module of ['/nowhere.so', process.execPath]) {
    await using kms = pkcs11KeyManager({ module, tokenLabel: 'token', pin: '1234', region: 'eu-central-1' });
    await expect(kms.describe('x')).rejects.toThrow('can’t be loaded'.replace('’', "'"));
  }
});

describe.skipIf(installed === undefined)(`with SoftHSM ${installed?.version ?? '(not installed)'}`, () => {
  let tokens: SoftHsmTokens;
  let options: Pkcs11KeyManagerOptions;
  // The body of a suite that is left out runs too.
  const sdk = pkcs11Sdk()!;
  const { C_Decrypt, C_GetSlotInfo, C_GetTokenInfo } = (sdk?.PKCS11.prototype ?? {}) as TestLibrary;
  const originals = { C_Decrypt, C_GetSlotInfo, C_GetTokenInfo };
  const open: Pkcs11KeyManager[] = [];

  beforeAll(() => {
    tokens = new SoftHsmTokens();
    options = tokens.make('unit');
    tokens.make('twin');
    tokens.make('twin');
  });
  afterEach(async () => {
    vi.useRealTimers();
    for (const manager of open.splice(0)) await manager.close();
  });
  afterAll(() => tokens[Symbol.dispose]());

  function manager(changed: Partial<Pkcs11KeyManagerOptions> = {}): Pkcs11KeyManager {
    const made = pkcs11KeyManager({ ...options, ...changed });
    open.push(made);
    return made;
  }

  function library(): TestLibrary {
    const made = new sdk.PKCS11();
    made.load(options.module);
    return made;
  }

  /** What the token holds of a key or its marks, seen from beside the manager, in the login that the manager holds. */
  function objects(label: string): { readonly p11: TestLibrary; readonly session: Buffer; readonly found: Buffer[] } {
    const p11 = library();
    const slot = p11.C_GetSlotList(true).find((one) => p11.C_GetTokenInfo(one).label.trimEnd() === options.tokenLabel)!;
    const session = p11.C_OpenSession(slot, sdk.CKF_SERIAL_SESSION);
    p11.C_FindObjectsInit(session, [{ type: sdk.CKA_LABEL, value: label }]);
    const found = p11.C_FindObjects(session, 100);
    p11.C_FindObjectsFinal(session);
    return { p11, session, found };
  }

  test('a KEK can not be read out of the token, and the token says that it never could', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { p11, session, found } = objects(keyRef);
    const isKey = (object: Handle): boolean => {
      const [kind] = p11.C_GetAttributeValue(session, object, [{ type: sdk.CKA_CLASS }]);
      return (kind!.value as Buffer).readUInt32LE() === sdk.CKO_SECRET_KEY;
    };
    const [kek, ...more] = found.filter(isKey);
    expect(more).toHaveLength(0);
    expect(() => p11.C_GetAttributeValue(session, kek!, [{ type: sdk.CKA_VALUE }])).toThrow('CKR_ATTRIBUTE_SENSITIVE');
    const flags = [sdk.CKA_EXTRACTABLE, sdk.CKA_SENSITIVE, sdk.CKA_NEVER_EXTRACTABLE, sdk.CKA_LOCAL, sdk.CKA_WRAP];
    const values = p11.C_GetAttributeValue(
      session,
      kek!,
      flags.map((type) => ({ type })),
    );
    expect(values.map(({ value }) => (value as Buffer)[0])).toEqual([0, 1, 1, 1, 0]);
    const { createdAt } = await kms.describe(keyRef);
    expect(Math.abs(Date.now() - createdAt!.getTime())).toBeLessThan(60_000);
  });

  test('a token that is a program makes no HSM keys unless told, and never calls them so', async () => {
    const asked = manager().createKey({ tenantId: 'tenant-100', protection: 'hsm' });
    await expect(asked).rejects.toMatchObject({ reason: 'denied', tenantId: 'tenant-100' });
    const kms = manager({ softwareTokenAsHsm: true });
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
    expect((await kms.describe(keyRef)).protection).toBe('software');
  });

  test.each([
    ['a device', 0x4, 'Maker of devices', 'hsm'],
    ['a slot that is none', 0, 'Maker of devices', 'software'],
    ['a program that calls itself one', 0x4, 'SoftHSM project', 'software'],
  ])('of %s, describe says so', async (_, flags, maker, protection) => {
    const spies = [
      vi.spyOn(sdk.PKCS11.prototype, 'C_GetSlotInfo').mockImplementation(function (this: TestLibrary, slot) {
        return { ...originals.C_GetSlotInfo.call(this, slot), flags: flags | 1 };
      }),
      vi.spyOn(sdk.PKCS11.prototype, 'C_GetTokenInfo').mockImplementation(function (this: TestLibrary, slot) {
        return { ...originals.C_GetTokenInfo.call(this, slot), manufacturerID: maker.padEnd(32) };
      }),
    ];
    const kms = manager({ softwareTokenAsHsm: true });
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
    expect((await kms.describe(keyRef)).protection).toBe(protection);
    for (const spy of spies) spy.mockRestore();
  });

  test('two managers share a module, and one that closes leaves the other its login', async () => {
    const [one, two] = [manager(), manager({ provider: 'other' })];
    const keyRef = await one.createKey({ tenantId: 'tenant-100', protection: 'software' });
    expect((await two.describe(keyRef)).state).toBe('enabled');
    await one.close();
    const { key, wrapped } = await two.generateDataKey(keyRef, context);
    expect((await two.unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  test('the last manager that closes logs out', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    expect(objects(keyRef).found).toHaveLength(2);
    const { p11, session } = objects(keyRef);
    p11.C_CloseAllSessions(p11.C_GetSessionInfo(session).slotID);
    await kms.describe(keyRef);
    expect(objects(keyRef).found).toHaveLength(2);
    for (const slot of p11.C_GetSlotList(true)) p11.C_CloseAllSessions(slot);
    await kms.describe(keyRef);
    await kms.close();
    expect(objects(keyRef).found).toHaveLength(0);
  });

  test.each([
    ['the library was finalised', (p11: TestLibrary) => p11.C_Finalize()],
    [
      'its sessions were closed',
      (p11: TestLibrary) => {
        for (const slot of p11.C_GetSlotList(true)) p11.C_CloseAllSessions(slot);
      },
    ],
  ])('a manager goes on when %s behind its back', async (_, disturb) => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    disturb(library());
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    disturb(library());
    await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
  });

  test('a wrong PIN is refused, sent once, and told to nobody', async () => {
    const kms = manager({ pin: '987654321' });
    const login = vi.spyOn(sdk.PKCS11.prototype, 'C_Login');
    const refusals = await Promise.all([1, 2, 3].map(async () => await kms.describe('x').catch((error: unknown) => error)));
    expect(login).toHaveBeenCalledTimes(1);
    login.mockRestore();
    for (const refusal of refusals) {
      expect(refusal).toMatchObject({ reason: 'denied', retryable: false });
      expect(inspect(refusal, { depth: 9 }) + JSON.stringify(refusal)).not.toContain('987654321');
    }
    for (const shown of [inspect(kms, { depth: 9, showHidden: true }), JSON.stringify(kms), String(kms)]) {
      expect(shown).not.toContain('987654321');
    }
  });

  test('a token that is not there, or there twice, is told apart', async () => {
    await expect(manager({ tokenLabel: 'absent' }).describe('x')).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
    await expect(manager({ tokenLabel: 'twin' }).describe('x')).rejects.toBeInstanceOf(ConfigurationError);
  });

  test('the example of the documentation works', async () => {
    await using kms = openKeys({ PKCS11_MODULE: options.module, PKCS11_TOKEN: options.tokenLabel, PKCS11_PIN: options.pin });
    await expect(kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' })).resolves.toContain('tenant-100');
    expect(() => openKeys({})).toThrow('needs a pin');
  });

  test('a slot names a token too', async () => {
    const p11 = library();
    await manager()
      .describe('x')
      .catch(() => {});
    const slot = p11.C_GetSlotList(true).find((one) => p11.C_GetTokenInfo(one).label.trimEnd() === options.tokenLabel)!;
    const kms = manager({ tokenLabel: undefined, slot: slot.readBigUInt64LE() });
    await expect(kms.createKey({ tenantId: 'tenant-100', protection: 'software' })).resolves.toContain('tenant-100');
  });

  test('another process sees a key that was disabled with its next call, and this one what the other did', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { wrapped } = await kms.generateDataKey(keyRef, context);
    const script = `
      const { pkcs11KeyManager } = await import(${JSON.stringify(source)});
      const kms = pkcs11KeyManager(${JSON.stringify(options)});
      await kms.disable(${JSON.stringify(keyRef)});
      await kms.close();`;
    await promisify(execFile)(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script]);
    await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'disabled' });
  });

  test('a thread of the same process shares the library', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    const worker = new Worker(new URL('../../support/kms/pkcs11/unwrap-in-thread.mjs', import.meta.url), {
      workerData: { options, wrapped, context },
    });
    const answer = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
    await worker.terminate();
    expect(answer).toBe(key.export().toString('hex'));
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
  });

  test('a key whose time is over is destroyed by the first call that names it', async () => {
    const kms = manager();
    const [doomed, spared] = [
      await kms.createKey({ tenantId: 'tenant-100', protection: 'software' }),
      await kms.createKey({ tenantId: 'tenant-100', protection: 'software' }),
    ];
    const { wrapped } = await kms.generateDataKey(doomed, context);
    await kms.scheduleDeletion(doomed, 30);
    await kms.scheduleDeletion(doomed, 3);
    await kms.scheduleDeletion(doomed, 300);
    await kms.scheduleDeletion(spared, 30);
    await expect(kms.disable(doomed)).rejects.toMatchObject({ reason: 'pendingDeletion' });
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2.9 * 86_400_000 });
    await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'pendingDeletion' });
    vi.setSystemTime(Date.now() + 0.2 * 86_400_000);
    await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'notFound' });
    expect(objects(doomed).found).toHaveLength(0);
    expect((await kms.describe(spared)).state).toBe('pendingDeletion');
  });

  test('a key whose time is over is destroyed by the next change of any key, too', async () => {
    const kms = manager();
    const doomed = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    await kms.scheduleDeletion(doomed, 1);
    expect(objects(doomed).found).toHaveLength(2);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 86_400_000 });
    await kms.createKey({ tenantId: 'tenant-200', protection: 'software' });
    expect(objects(doomed).found).toHaveLength(0);
  });

  test('zero days destroy at once; other numbers of days are refused', async () => {
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    for (const days of [-1, 0.5, 366, Number.NaN])
      await expect(kms.scheduleDeletion(keyRef, days)).rejects.toBeInstanceOf(ConfigurationError);
    await kms.scheduleDeletion(keyRef, 0);
    expect(objects(keyRef).found).toHaveLength(0);
    await expect(kms.describe(keyRef)).rejects.toMatchObject({ reason: 'notFound' });
  });

  test('a token that is out of order is not taken for wrong bytes', async () => {
    // pkcs11js binds its methods when a library is made, so the fault is there from the start and is switched on later.
    let outOfOrder = false;
    const decrypt = vi.spyOn(sdk.PKCS11.prototype, 'C_Decrypt').mockImplementation(function (
      this: TestLibrary,
      ...given: Parameters<typeof originals.C_Decrypt>
    ) {
      if (outOfOrder) throw new Error('CKR_GENERAL_ERROR:5');
      return originals.C_Decrypt.apply(this, given);
    });
    const kms = manager();
    const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
    const { key, wrapped } = await kms.generateDataKey(keyRef, context);
    await expect(kms.unwrap(wrapped, { ...context, purpose: 'other' })).rejects.toMatchObject({ reason: 'invalidCiphertext' });
    outOfOrder = true;
    await expect(kms.unwrap(wrapped, context)).rejects.toMatchObject({ reason: 'unavailable', retryable: true });
    outOfOrder = false;
    expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
    expect(decrypt).toHaveBeenCalled();
    decrypt.mockRestore();
  });
});
