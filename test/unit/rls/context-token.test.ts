import { createHmac, createSecretKey, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { contextKeyPads } from '../../../src/rls/context-key-pads.ts';
import { type ContextClaims, ContextSigner, signContext } from '../../../src/rls/context-token.ts';

const key = createSecretKey(Buffer.from(Array.from({ length: 32 }, (_, index) => index)));
const claims: ContextClaims = {
  keyId: 'k1',
  tenantId: 'acme',
  database: 'tenancy_shared',
  audience: 'tenancy_app',
  expiresAt: 1_800_000_000,
  backendPid: 4711,
  grant: '',
};

describe('signContext', () => {
  test('has the form that the database reads, with an HMAC over it and the database', () => {
    const token = signContext(key, claims);
    const mac = createHmac('sha256', key).update('v1:k1:acme:tenancy_shared:tenancy_app:1800000000:4711:').digest('hex');
    expect(token).toBe(`v1:k1:acme:tenancy_app:1800000000:4711::${mac}`);
    expect(token.split(':')).toHaveLength(8);
  });

  test('never changes: services and databases of different releases understand each other', () => {
    // Computed by another implementation.
    expect(signContext(key, claims)).toBe(
      'v1:k1:acme:tenancy_app:1800000000:4711::374d07dd174d3437b11a7905a462c12405da90b844f742b32502c1f68d44bd30',
    );
    expect(signContext(key, { ...claims, tenantId: '*', grant: 'b3b5a0de-7d54-4c3f-a4fd-0b9d9a3f3c11' })).toMatch(
      /^v1:k1:\*:tenancy_app:1800000000:4711:b3b5a0de-[0-9a-f-]+:[0-9a-f]{64}$/,
    );
  });

  test.each([
    ['keyId', 'k:1'],
    ['keyId', ''],
    ['tenantId', 'a:b'],
    ['tenantId', ''],
    ['tenantId', 'Acme'],
    ['tenantId', '**'],
    ['database', ''],
    ['database', 'a:b'],
    ['database', 'x'.repeat(64)],
    ['audience', 'a:b'],
    ['audience', ''],
    ['grant', 'a:b'],
    ['grant', 'x'.repeat(65)],
    ['expiresAt', 1.5],
    ['expiresAt', -1],
    ['expiresAt', Number.NaN],
    ['backendPid', -1],
    ['backendPid', 0.5],
  ] as const)('refuses a %s of %j', (name, value) => {
    expect(() => signContext(key, { ...claims, [name]: value })).toThrow(ConfigurationError);
  });
});

describe('ContextSigner', () => {
  const signer = (now: () => number, ttlSeconds?: number): ContextSigner =>
    new ContextSigner({ key, keyId: 'k1', database: 'd', audience: 'a', now, ttlSeconds });
  const expiry = (token: string): number => Number(token.split(':')[4]);

  test('signs for 120 seconds and uses a token again until half of them are over', () => {
    let now = 1_000_000;
    const one = signer(() => now);
    const token = one.sign('acme', 7);
    expect(expiry(token)).toBe(1_120);
    now += 59_999;
    expect(one.sign('acme', 7)).toBe(token);
    now += 1;
    expect(expiry(one.sign('acme', 7))).toBe(1_180);
  });

  test('keeps tenants, backends and grants apart', () => {
    const one = signer(() => 0);
    const tokens = [one.sign('acme', 1), one.sign('bolt', 1), one.sign('acme', 2), one.sign('acme', 1, 'g'), one.signMaintenance(1)];
    expect(new Set(tokens).size).toBe(5);
    expect(tokens[4]).toContain(':*:');
    expect(one.sign('acme', 1)).toBe(tokens[0]);
  });

  test('does not keep more than it has room for, and forgets the oldest first', () => {
    let now = 0;
    const one = signer(() => now);
    const first = one.sign('t0', 0);
    for (let i = 1; i <= 4_096; i++) one.sign(`t${i}`, 0);
    now = 10_000;
    expect(one.sign('t4096', 0)).toContain(':120:');
    expect(one.sign('t0', 0)).not.toBe(first);
  });

  test('a life that is none is refused', () => {
    for (const ttl of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) expect(() => signer(() => 0, ttl)).toThrow(ConfigurationError);
  });

  test('shows no key when it is looked at', () => {
    expect(JSON.stringify(signer(() => 0))).toBe('{}');
  });
});

describe('contextKeyPads', () => {
  test('are those of HMAC: hashed with the message they give the same', async () => {
    const { createHash } = await import('node:crypto');
    const secret = createSecretKey(randomBytes(32));
    const { inner, outer } = contextKeyPads(secret);
    const digest = createHash('sha256').update(outer).update(createHash('sha256').update(inner).update('message').digest()).digest('hex');
    expect(digest).toBe(createHmac('sha256', secret).update('message').digest('hex'));
  });

  test('a key longer than a block is refused', () => {
    expect(() => contextKeyPads(createSecretKey(randomBytes(65)))).toThrow(ConfigurationError);
  });
});
