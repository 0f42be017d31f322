import { type AzureKeyManagerOptions, azureKeyManager } from '@godseye/tenancy/kms/azure';

// #region manager
/** `new DefaultAzureCredential()` of @azure/identity, or any other that has `getToken`. */
export const orders = (credential: AzureKeyManagerOptions['credential']) =>
  azureKeyManager({
    vaultUrl: 'https://orders.vault.azure.net',
    region: 'westeurope',
    credential,
    tags: { service: 'orders' },
  });
// #endregion manager

// #region hsm
export const premium = (credential: AzureKeyManagerOptions['credential']) =>
  azureKeyManager({ vaultUrl: 'https://premium.managedhsm.azure.net', region: 'westeurope', credential });
// #endregion hsm
