import { startEmbeddedCluster } from '@godseye/tenancy/testing';
import postgres from 'postgres';
import { expect, test } from 'vitest';

test('a PostgreSQL of one’s own', async () => {
  await using cluster = await startEmbeddedCluster({ settings: { work_mem: '16MB' } });
  const sql = postgres(cluster.adminUrl, { max: 1 });
  const [row] = await sql`select current_setting('work_mem') as memory`;
  expect(row?.['memory']).toBe('16MB');
  await sql.end();
}, 60_000);
