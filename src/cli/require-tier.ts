import { ConfigurationError } from '../errors.ts';
import { defaultTiers } from '../tenant/tier.ts';
import type { CliConfig } from './cli-config.ts';

/**
 * Refuses the name of a tier that the platform does not have: a mistyped one would choose no tenant, and a run that did nothing would
 * look like one that found everything in order.
 *
 * @throws {ConfigurationError} naming the tiers that there are
 */
export function requireTier(tier: string | undefined, { tiers = defaultTiers }: Pick<CliConfig, 'tiers'>): void {
  if (tier === undefined || Object.hasOwn(tiers, tier)) return;
  throw new ConfigurationError(`There is no tier ${JSON.stringify(tier)}.`, { hint: `There are ${Object.keys(tiers).join(', ')}.` });
}
