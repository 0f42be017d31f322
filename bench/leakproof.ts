import { withAdmin } from './admin.ts';
import type { World } from './world.ts';

/** What a superuser may do about operators that row-level security keeps from indexes: vouch that they tell nothing of what they see. */
export async function declareLeakproof(world: World): Promise<void> {
  for (const url of world.tenantDatabaseUrls) {
    await withAdmin(url, async (admin) => {
      await admin.unsafe('alter function pg_catalog.jsonb_contains(jsonb, jsonb) leakproof');
      await admin.unsafe('alter function pg_catalog.textlike(text, text) leakproof');
    });
  }
}
