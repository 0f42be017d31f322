import type { TenantConfig } from '@godseye/tenancy';
import type { ControlPlane, ProvisionReport } from '@godseye/tenancy/control';
import { bounded } from './bounded.ts';
import { Progress } from './progress.ts';

/** Takes every retailer from its configuration to isolated, migrated tables, four at a time. */
export async function onboard(
  control: ControlPlane,
  configs: readonly TenantConfig[],
  signal: AbortSignal,
): Promise<readonly ProvisionReport[]> {
  using progress = new Progress('retailers', configs.length);
  return await bounded(configs, 4, async (config) => {
    const report = await control.provision(config, { actor: 'quickstart', signal });
    progress.advance();
    return report;
  });
}
