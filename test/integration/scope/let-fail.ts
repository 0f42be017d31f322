import { withClient } from '../../../src/provision/admin-client.ts';
import { adminUrl } from '../../support/server.ts';
import type { Shop } from '../../support/shop/platform.ts';

/** Gives the database of a tenant `reference.fail(sqlstate)`: services may not use plpgsql themselves. */
export async function letFail(shop: Shop, tenantId: string): Promise<void> {
  const { placement } = await shop.control.tenant(tenantId);
  await withClient(adminUrl(placement!.database), async (admin) => {
    await admin.unsafe(`
      create function reference.fail(code text) returns void language plpgsql as $$ begin raise exception 'asked for' using errcode = code; end $$;
      grant execute on function reference.fail(text) to public;
    `);
  });
}
