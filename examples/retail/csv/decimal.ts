/** How many decimals an amount keeps: those of `numeric(12,4)`. */
const scale = 4;

/**
 * Reads an amount exactly, as a whole number of ten-thousandths. Money never passes through a float.
 *
 * @returns undefined when it is no decimal number, has more than four decimals or more than eight digits before them
 * @example
 * ```ts
 * parseDecimal('2.55'); // 25500n
 * ```
 */
export function parseDecimal(text: string): bigint | undefined {
  const match = /^(-?)(\d{1,8})(?:\.(\d+))?$/.exec(text);
  if (match === null) return undefined;
  const decimals = (match[3] ?? '').replace(/0+$/, '');
  if (decimals.length > scale) return undefined;
  const units = BigInt(match[2] + decimals.padEnd(scale, '0'));
  return match[1] === '-' ? -units : units;
}

/** Writes ten-thousandths as PostgreSQL writes a `numeric` of scale 4: `2.5500`. */
export function formatDecimal(units: bigint): string {
  const digits = (units < 0n ? -units : units).toString().padStart(scale + 1, '0');
  return `${units < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}
