const iso = /^(\d{4})-(\d{2})-(\d{2})[ T](\d{2}):(\d{2})(?::(\d{2}))?$/;
const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4}) (\d{1,2}):(\d{2})$/;

/**
 * Reads `YYYY-MM-DD HH:MM:SS` or `M/D/YYYY H:MM`, as UTC.
 *
 * @returns undefined for anything else, days that no calendar has included
 */
export function parseInvoiceDate(text: string): Date | undefined {
  const a = iso.exec(text);
  const b = american.exec(text);
  const parts = a !== null ? [a[1], a[2], a[3], a[4], a[5], a[6] ?? '0'] : b !== null ? [b[3], b[1], b[2], b[4], b[5], '0'] : [];
  if (parts.length === 0) return undefined;
  const [year, month, day, hour, minute, second] = parts.map(Number) as [number, number, number, number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  const real =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return real ? date : undefined;
}
