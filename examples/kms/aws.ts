import { awsKeyManager } from '@godseye/tenancy/kms/aws';

// #region manager
export const kms = awsKeyManager({
  region: 'eu-central-1',
  tags: { service: 'orders' },
  deadlineMs: 5_000,
});
// #endregion manager

// #region fips
export const fips = awsKeyManager({
  region: 'us-east-1',
  endpoint: 'https://kms-fips.us-east-1.amazonaws.com',
  customKeyStoreId: 'cks-1234567890abcdef0',
});
// #endregion fips
