import type { ClusterDefinition, ControlPlane } from '../control-plane.ts';
import type { KeyManager } from '../kms/key-manager.ts';
import type { Tiers } from '../tenant/tier.ts';
import type { CliConfig } from './cli-config.ts';

/** What the CLI makes a control plane from: its configuration file, with the key manager opened. */
export interface CliControlPlaneOptions {
  readonly catalog: { readonly adminUrl: string; readonly rolePrefix?: string };
  readonly clusters: readonly ClusterDefinition[];
  readonly migrations: { readonly directory: string };
  readonly kms: KeyManager;
  readonly runtime: { readonly region: string };
  readonly tiers?: Tiers;
}

/** Makes a control plane; the CLI closes it. */
export type CreateControlPlane = (options: CliControlPlaneOptions) => ControlPlane | Promise<ControlPlane>;

/** Opens the key manager that the configuration file names; the CLI closes it. */
export type CreateKeyManager = (kms: CliConfig['kms']) => KeyManager | Promise<KeyManager>;

/** The options of a control plane as the configuration file gives them. */
export function controlPlaneOptions(config: CliConfig, kms: KeyManager): CliControlPlaneOptions {
  const { catalog, clusters, migrations, runtime, tiers } = config;
  const named = tiers === undefined ? undefined : Object.fromEntries(Object.entries(tiers).map(([name, tier]) => [name, { name, ...tier }]));
  return { catalog, clusters, migrations, kms, runtime, ...(named === undefined ? {} : { tiers: named }) };
}
