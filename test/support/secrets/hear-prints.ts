import { inspect } from 'node:util';

/**
 * Keeps what this process writes to its outputs, the console included, and warnings, instead of printing it.
 *
 * @returns ends it
 */
export function hearPrints(printed: Buffer[]): () => void {
  const { log, info, warn, error, debug } = console;
  const { stdout, stderr } = process;
  const writes = [stdout.write, stderr.write] as const;
  const hear = (...args: unknown[]): boolean =>
    printed.push(Buffer.from(args.map((arg) => (typeof arg === 'string' ? arg : inspect(arg))).join(' '))) > 0;
  Object.assign(console, { log: hear, info: hear, warn: hear, error: hear, debug: hear });
  stdout.write = stderr.write = hear as never;
  process.on('warning', hear);
  return () => {
    Object.assign(console, { log, info, warn, error, debug });
    [stdout.write, stderr.write] = writes;
    process.off('warning', hear);
  };
}
