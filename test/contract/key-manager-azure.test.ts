import { afterAll, beforeAll } from 'vitest';
import { azureKeyManager } from '../../src/kms/azure.ts';
import { VaultServer } from '../support/kms/azure/vault-server.ts';
import { describeKeyManager } from './key-manager-contract.ts';

let vault: VaultServer;
let hsm: VaultServer;

beforeAll(async () => {
  vault = await VaultServer.start();
  hsm = await VaultServer.start({ managedHsm: true });
});
afterAll(() => Promise.all([vault.close(), hsm.close()]));

// Making RSA keys takes a busy machine longer than a call may take by default.
const common = { region: 'westeurope', allowInsecureConnection: true, deadlineMs: 50_000, attemptMs: 50_000 };

describeKeyManager(
  'azureKeyManager of a vault',
  async () => azureKeyManager({ vaultUrl: vault.url, credential: vault.credential, ...common }),
  { deletionDays: 90, tamperEvery: 7 },
);
describeKeyManager(
  'azureKeyManager of a Managed HSM',
  async () => azureKeyManager({ vaultUrl: hsm.url, credential: hsm.credential, managedHsm: true, ...common }),
  { deletionDays: 90, described: 'hsm' },
);
