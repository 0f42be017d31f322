import { DecryptionError } from '../errors.ts';

/** What reading a value gives; undefined when it does not open. */
export function ifReadable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof DecryptionError) return undefined;
    throw error;
  }
}
