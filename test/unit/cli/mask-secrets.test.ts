import fc from 'fast-check';
import { expect, test } from 'vitest';
import { maskSecrets, maskUrls, secretsOf } from '../../../src/cli/mask-secrets.ts';

test.each([
  ['postgres://u:secret@h:5432/d', 'postgres://u:***@h:5432/d'],
  ['postgres://:secret@h', 'postgres://:***@h'],
  ['see postgres://u:se@cr@h/d, or mysql://a:b@c', 'see postgres://u:***@h/d, or mysql://a:***@c'],
  ['postgres://u@h/d?password=secret&x=1', 'postgres://u@h/d?password=***&x=1'],
  ['postgres://u@h:5432/d', 'postgres://u@h:5432/d'],
  ['12:30 at a@b', '12:30 at a@b'],
])('%s', (text, masked) => {
  expect(maskUrls(text)).toBe(masked);
});

test('a password never survives, however it is written', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((text) => !/^[*./:?@\w-]{0,5}$/.test(text)),
      (password) => {
        const url = `postgres://user:${encodeURIComponent(password)}@host/data`;
        const masked = maskSecrets(`it failed at ${url}`, secretsOf([url]));
        expect(masked).toBe('it failed at postgres://user:***@host/data');
      },
    ),
  );
});

test('secretsOf leaves out what is an ordinary word of the same URL, and what is short', () => {
  expect(secretsOf(['postgres://postgres:postgres@h/d', 'postgres://u:abc@h/d', 'postgres://u:long%20enough@h/d'])).toEqual([
    'long%20enough',
    'long enough',
  ]);
  expect(secretsOf(['postgres://u@h/d?password=in-the-query'])).toEqual(['in-the-query']);
});
