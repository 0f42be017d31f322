import type { ControlPlaneOptions } from '../control.ts';
import type { ControlPlane } from '../control-plane.ts';
import type { KeyManager } from '../kms/key-manager.ts';
import type { Tiers } from '../tenant/tier.ts';
import type { CliConfig } from './cli-config.ts';

/** Makes a control plane; the CLI closes it. */
export type CreateControlPlane = (options: ControlPlaneOptions) => ControlPlane | Promise<ControlPlane>;

/** Opens one key manager that the configuration file names; the CLI closes it. */
export type CreateKeyManager = (kms: CliConfig['kms'][number]) => KeyManager | Promise<KeyManager>;

/** The options of a control plane as the configuration file gives them, with the key managers opened. */
export function controlPlaneOptions({ catalog, clusters, migrations, tiers }: CliConfig, kms: readonly KeyManager[]): ControlPlaneOptions {
  return { catalog, clusters, migrations, kms, tiers: tiers === undefined ? undefined : named(tiers) };
}

function named(tiers: NonNullable<CliConfig['tiers']>): Tiers {
  return Object.fromEntries(Object.entries(tiers).map(([name, tier]) => [name, { name, ...tier }]));
}
