import { afterAll, beforeAll } from 'vitest';
import { awsKeyManager } from '../../src/kms/aws.ts';
import { AwsKmsServer } from '../support/kms/aws/kms-server.ts';
import { describeKeyManager } from './key-manager-contract.ts';

let server: AwsKmsServer;

beforeAll(async () => {
  server = await AwsKmsServer.start();
});
afterAll(() => server.close());

describeKeyManager('awsKeyManager', async () =>
  awsKeyManager({ region: server.keys.region, endpoint: server.endpoint, credentials: server.credentials }),
);
