import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** The process's memory after collections. */
export function settledMemory(): NodeJS.MemoryUsage {
  collect();
  collect();
  return process.memoryUsage();
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
