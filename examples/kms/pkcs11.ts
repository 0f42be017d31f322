// #region manager
import { pkcs11KeyManager } from '@godseye/tenancy/kms/pkcs11';

export const openKeys = (env: NodeJS.ProcessEnv) =>
  pkcs11KeyManager({
    module: env['PKCS11_MODULE'] ?? '/usr/lib/softhsm/libsofthsm2.so',
    tokenLabel: env['PKCS11_TOKEN'] ?? 'tenancy',
    pin: env['PKCS11_PIN'] ?? '',
    region: 'eu-central-1',
    // SoftHSM is a program: without this, keys for premium tenants are refused there.
    softwareTokenAsHsm: env['NODE_ENV'] !== 'production',
  });
// #endregion manager
