import { defaultTiers, type Tiers } from '../../../src/tenant/tier.ts';

/** The default tiers and one whose tenants share tables. */
export const poolTiers: Tiers = { ...defaultTiers, pool: { ...defaultTiers['standard']!, name: 'pool', isolation: 'row' } };
