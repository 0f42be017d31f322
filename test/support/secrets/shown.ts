import { inspect } from 'node:util';

/** All that inspect and JSON show of a value: as it wants to be seen, and whatever else there is, as deep as it goes. */
export function shown(value: unknown): Buffer[] {
  const all = { depth: Number.POSITIVE_INFINITY, showHidden: true, getters: false, maxStringLength: null, maxArrayLength: null } as const;
  const texts = [inspect(value), inspect(value, all), inspect(value, { ...all, customInspect: false }), String(value)];
  const seen = new WeakSet<object>();
  texts.push(
    JSON.stringify(value, (_, part: unknown) => {
      if (typeof part === 'bigint') return String(part);
      if (typeof part !== 'object' || part === null) return part;
      if (seen.has(part)) return '…';
      seen.add(part);
      return part instanceof Error ? { ...part, message: part.message, stack: part.stack, cause: part.cause } : part;
    }) ?? '',
  );
  return texts.map((text) => Buffer.from(text));
}
