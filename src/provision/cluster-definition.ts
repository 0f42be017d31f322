import type { Cluster } from '../catalog/cluster.ts';

/** A cluster as platform engineers register it. The URLs hold an administrator's password: they stay in the control plane's process. */
export interface ClusterDefinition extends Partial<Omit<Cluster, 'id' | 'region'>> {
  readonly id: string;
  readonly region: string;
  /** A login that may create roles and databases; reached directly, never through a pooler. */
  readonly adminUrl: string;
}
