import { fileURLToPath } from 'node:url';
import { createTestPlatform, type TestPlatform, type TestPlatformOptions } from '../../../src/testing/test-platform.ts';
import { adminUrl } from '../server.ts';
import * as schema from './schema.ts';

export type Shop = TestPlatform<typeof schema>;

const directory = fileURLToPath(new URL('./migrations', import.meta.url));

/** A platform with the shop's tables on the test server: two standard tenants, one enterprise, one premium, unless told otherwise. */
export async function createShop(options: Partial<TestPlatformOptions<typeof schema>> = {}): Promise<Shop> {
  return await createTestPlatform({
    schema,
    adminUrl: adminUrl(),
    migrations: { directory, reference: `${directory}/reference` },
    tenants: [
      { id: 'acme', tier: 'standard' },
      { id: 'globex', tier: 'standard' },
      { id: 'initech', tier: 'enterprise' },
      { id: 'umbrella', tier: 'premium' },
    ],
    ...options,
  });
}
