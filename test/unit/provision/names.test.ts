import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigurationError } from '../../../src/errors.ts';
import { dedicatedNames, platformNames } from '../../../src/provision/names.ts';

const prefix = fc.stringMatching(/^[a-z][a-z0-9_]{0,7}$/);
const id = fc.stringMatching(/^[a-z][a-z0-9-]{0,47}$/);

test('every name fits PostgreSQL’s 63 bytes, and two tenants never share one', () => {
  fc.assert(
    fc.property(prefix, id, id, (p, a, b) => {
      const [one, two] = [dedicatedNames(p, a), dedicatedNames(p, b)];
      for (const name of [...Object.values(one), ...Object.values(platformNames(p))])
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
      expect(new Set(Object.values(one)).size).toBe(3);
      if (a.replaceAll('-', '_') !== b.replaceAll('-', '_')) expect(one.database).not.toBe(two.database);
    }),
  );
});

test('a prefix that could not be quoted away is refused', () => {
  for (const bad of ['', 'A', '1a', 'toolongprefix', 'a-b', 'a"b', 'a b']) expect(() => platformNames(bad)).toThrow(ConfigurationError);
});
