import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { AwsKmsServer } from '../../../support/kms/aws/kms-server.ts';

let server: AwsKmsServer;

beforeAll(async () => {
  server = await AwsKmsServer.start();
  vi.stubEnv('AWS_ENDPOINT_URL_KMS', server.endpoint);
  vi.stubEnv('AWS_ACCESS_KEY_ID', server.credentials.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.credentials.secretAccessKey);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

it('the example of docs/kms-aws.md works with what the environment gives', async () => {
  const { kms, fips } = await import('../../../../examples/kms/aws.ts');
  const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'software' });
  const context = { tenantId: 'tenant-100', purpose: 'data' };
  const { key, wrapped } = await kms.generateDataKey(keyRef, context);
  expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
  expect(fips.provider).toBe('aws/us-east-1');
  await Promise.all([kms.close(), fips.close()]);
});
