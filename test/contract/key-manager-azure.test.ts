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

const common = { region: 'westeurope', allowInsecureConnection: true };

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
