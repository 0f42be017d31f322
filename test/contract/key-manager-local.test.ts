import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { localKeyManager } from '../../src/kms/local.ts';
import { describeKeyManager } from './key-manager-contract.ts';

let folder: string;
let made = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tenancy-kms-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describeKeyManager('localKeyManager', async () => {
  made += 1;
  return localKeyManager({ file: join(folder, `keys-${made}.json`), region: 'eu-central-1' });
});
