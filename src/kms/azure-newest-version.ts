import type { KeyClient, KeyProperties } from '@azure/keyvault-keys';
import { azureFailure } from './azure-failure.ts';

/** What can be read of a key's newest version, whatever its state. */
export interface AzureNewestVersion {
  readonly properties: KeyProperties;
  /** Undefined for a disabled one. */
  readonly keyType?: string | undefined;
}

/** A key's newest version. A disabled one can't be read, only listed. */
export async function newestVersion(client: KeyClient, name: string, abortSignal: AbortSignal): Promise<AzureNewestVersion> {
  try {
    return await client.getKey(name, { abortSignal });
  } catch (error) {
    if (azureFailure(error)?.reason !== 'disabled') throw error;
    let newest: KeyProperties | undefined;
    for await (const properties of client.listPropertiesOfKeyVersions(name, { abortSignal })) {
      if (newest === undefined || (properties.createdOn ?? 0) > (newest.createdOn ?? 0)) newest = properties;
    }
    if (newest === undefined) throw error;
    return { properties: newest };
  }
}

/** Whether Azure said that there is no such key or version. */
export function isMissing(error: unknown): boolean {
  return (error as { statusCode?: number }).statusCode === 404;
}

/** Whether something is there, as far as this identity may see. */
export async function exists(read: Promise<unknown>): Promise<boolean> {
  return read.then(
    () => true,
    (error: unknown) => {
      const reason = azureFailure(error)?.reason;
      if (reason === 'disabled') return true;
      if (reason === 'notFound' || reason === 'denied' || reason === 'pendingDeletion') return false;
      throw error;
    },
  );
}
