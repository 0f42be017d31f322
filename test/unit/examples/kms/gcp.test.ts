import { expect, it } from 'vitest';
import { openKeys } from '../../../../examples/kms/gcp.ts';
import { GcpKmsServer } from '../../../support/kms/gcp/kms-server.ts';

it('the example of docs/kms-gcp.md works', async () => {
  await using server = await GcpKmsServer.start();
  await using kms = openKeys(server.clientOptions('grpc'));
  const keyRef = await kms.createKey({ tenantId: 'tenant-100', protection: 'hsm' });
  const context = { tenantId: 'tenant-100', purpose: 'data' };
  const { key, wrapped } = await kms.generateDataKey(keyRef, context);
  expect((await kms.unwrap(wrapped, context)).equals(key)).toBe(true);
});
