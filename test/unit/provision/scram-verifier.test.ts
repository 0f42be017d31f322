import { expect, test } from 'vitest';
import { scramVerifier } from '../../../src/provision/scram-verifier.ts';

test('is what PostgreSQL itself makes of the password and salt', () => {
  // select rolpassword from pg_authid after `create role … password 'pencil'`; the salt is the one that the server drew.
  const salt = Buffer.from('46ZxRuRANMo0evVWDJw50A==', 'base64');
  expect(scramVerifier('pencil', salt)).toBe(
    'SCRAM-SHA-256$4096:46ZxRuRANMo0evVWDJw50A==$C/+vdJLN3ba2cgRkXTEP8Wuev80aq595hs8LuJNna/E=:AX3Yy8KPR5A0+HDOZFkNykd0N6gveHfOFoET0he7D/c=',
  );
});

test('two verifiers of one password differ, and hold nothing of it', () => {
  expect(scramVerifier('pencil')).not.toBe(scramVerifier('pencil'));
  expect(scramVerifier('pencil')).not.toContain('pencil');
});
