import { afterAll, beforeAll, describe } from 'vitest';
import { type Pkcs11KeyManagerOptions, pkcs11KeyManager } from '../../src/kms/pkcs11.ts';
import { SoftHsmTokens, softHsm } from '../support/kms/pkcs11/softhsm.ts';
import { describeKeyManager } from './key-manager-contract.ts';

const installed = softHsm();

describe.skipIf(installed === undefined)(`on SoftHSM ${installed?.version ?? '(not installed)'}`, () => {
  let tokens: SoftHsmTokens;
  let options: Pkcs11KeyManagerOptions;
  beforeAll(() => {
    tokens = new SoftHsmTokens();
    options = tokens.make('contract');
  });
  afterAll(() => tokens[Symbol.dispose]());

  describeKeyManager('pkcs11KeyManager', async () => pkcs11KeyManager(options));
  describeKeyManager('pkcs11KeyManager for an HSM', async () => pkcs11KeyManager({ ...options, softwareTokenAsHsm: true }), {
    protection: 'hsm',
    // SoftHSM is a program, whatever was asked for.
    described: 'software',
  });
});
