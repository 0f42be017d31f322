import type { ControlPlane } from '../control-plane.ts';
import type { KeyManager } from '../kms/key-manager.ts';
import type { ClusterDefinition } from '../provision/cluster-definition.ts';
import type { Tiers } from '../tenant/tier.ts';
import type { CliConfig } from './cli-config.ts';

/** What the CLI makes a control plane from: its configuration file, with the key managers opened. */
export interface CliControlPlaneOptions {
  readonly catalog: { readonly adminUrl: string; readonly rolePrefix?: string };
  readonly clusters: readonly ClusterDefinition[];
  readonly migrations?: { readonly directory: string };
  /** One per region; the first keeps the platform's own secrets. */
  readonly kms: readonly KeyManager[];
  readonly runtime?: { readonly region: string };
  readonly tiers?: Tiers;
}

/** Makes a control plane; the CLI closes it. */
export type CreateControlPlane = (options: CliControlPlaneOptions) => ControlPlane | Promise<ControlPlane>;

/** Opens one key manager that the configuration file names; the CLI closes it. */
export type CreateKeyManager = (kms: CliConfig['kms'][number]) => KeyManager | Promise<KeyManager>;

/** The options of a control plane as the configuration file gives them. */
export function controlPlaneOptions(config: CliConfig, kms: readonly KeyManager[]): CliControlPlaneOptions {
  const { catalog, clusters, migrations, runtime, tiers } = config;
  return {
    catalog,
    clusters,
    kms,
    ...(migrations === undefined ? {} : { migrations }),
    ...(runtime === undefined ? {} : { runtime }),
    ...(tiers === undefined ? {} : { tiers: named(tiers) }),
  };
}

function named(tiers: NonNullable<CliConfig['tiers']>): Tiers {
  return Object.fromEntries(Object.entries(tiers).map(([name, tier]) => [name, { name, ...tier }]));
}
