import { AsyncResource } from 'node:async_hooks';

const resource = new AsyncResource('outside');

/** Calls back outside every scope, as an event emitter of somebody else's would. */
export function outside<T>(callback: () => T): T {
  return resource.runInAsyncScope(callback);
}
