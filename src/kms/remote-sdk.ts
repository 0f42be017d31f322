import { ConfigurationError } from '../errors.ts';

/**
 * Loads a provider's SDK when it is first needed: it is an optional peer, and whoever uses another provider does not have it.
 *
 * @throws {ConfigurationError} when it is not installed; its hint says how
 * @example
 * ```ts
 * const { KMSClient } = await loadSdk('@aws-sdk/client-kms', () => import('@aws-sdk/client-kms'));
 * ```
 */
export async function loadSdk<Sdk>(name: string, load: () => Promise<Sdk>): Promise<Sdk> {
  try {
    return await load();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Something else that is missing, deeper down, is a damaged installation and speaks for itself.
    if ((code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') || !message.includes(`'${name}'`)) throw error;
    throw new ConfigurationError(`The package ${name} is not installed, and this key manager needs it.`, {
      hint: `Install it with: npm install ${name}`,
      cause: error,
    });
  }
}
