import { type GcpKeyManagerOptions, gcpKeyManager } from '@godseye/tenancy/kms/gcp';

// #region manager
export const openKeys = (clientOptions: GcpKeyManagerOptions['clientOptions'] = {}) =>
  gcpKeyManager({
    project: 'shop-keys',
    location: 'europe-west3',
    keyRing: 'tenants',
    destroyDays: 30,
    labels: { service: 'orders' },
    deadlineMs: 5_000,
    clientOptions,
  });
// #endregion manager
