import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contextBytes, identityOf, requireWrappedBy } from '../../../src/kms/remote-wrapping.ts';

const text = fc.string({ maxLength: 6 });
const unwraps = fc.record({
  provider: text,
  keyRef: text,
  keyVersion: text,
  ciphertext: fc.uint8Array({ maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
  tenantId: text,
  purpose: text,
});

describe('identityOf', () => {
  it('is the same exactly for the same wrapped key and context', () => {
    fc.assert(
      fc.property(unwraps, unwraps, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two);
        expect(identityOf(one, one) === identityOf(two, two)).toBe(same);
        expect(identityOf(one, one)).toBe(identityOf({ ...one, ciphertext: Buffer.from(one.ciphertext) }, { ...one }));
      }),
    );
  });

  it('moves no byte from one field to the next', () => {
    const base = { provider: 'p', keyRef: 'key', ciphertext: Buffer.from('c') };
    const context = { tenantId: 'tenant-1', purpose: 'data' };
    expect(identityOf(base, context)).not.toBe(identityOf(base, { tenantId: 'tenant-1d', purpose: 'ata' }));
    expect(identityOf({ ...base, keyVersion: '1' }, context)).not.toBe(identityOf({ ...base, keyRef: 'key1' }, context));
    expect(contextBytes(context)).not.toEqual(contextBytes({ tenantId: 'tenant-1d', purpose: 'ata' }));
  });
});

describe('requireWrappedBy', () => {
  it('refuses what another key manager wrapped', () => {
    const wrapped = { provider: 'aws/us-east-1', keyRef: 'k', ciphertext: Buffer.alloc(0) };
    const context = { tenantId: 'tenant-1', purpose: 'data' };
    expect(() => requireWrappedBy('aws/us-east-1', wrapped, context)).not.toThrow();
    expect(() => requireWrappedBy('aws/eu-west-1', wrapped, context)).toThrow(expect.objectContaining({ reason: 'wrongKey' }));
  });
});
