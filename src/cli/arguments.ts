import { InvalidArgumentError } from 'commander';

/** A parser of whole numbers within bounds, for an option's argument. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= least && value <= most)) throw new InvalidArgumentError(`It is a whole number from ${least} to ${most}.`);
    return value;
  };
}

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** A point in time: ISO 8601 (UTC unless it names a zone), or how long ago, such as `30m` or `7d`. */
export function pointInTime(text: string): Date {
  const ago = /^(\d{1,6})([smhdw])$/.exec(text);
  if (ago !== null) return new Date(Date.now() - Number(ago[1]) * unitMs[ago[2]!]!);
  const iso = /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:\d{2})?)?$/.exec(text);
  const at = new Date(iso === null ? Number.NaN : `${iso[1]}T${iso[2] ?? '00:00'}${iso[3] ?? 'Z'}`);
  if (Number.isNaN(at.getTime())) throw new InvalidArgumentError('It is a time like 2026-01-31, 2026-01-31T12:00Z or 7d (seven days ago).');
  return at;
}

/** Collects an option that may be given several times. */
export function collect(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}
