import type { BenchDocument } from '../bench-document.ts';
import { mainCases } from '../case.ts';
import { throughputRatio } from '../ratios.ts';
import { barChart, type Group } from './bar-chart.ts';

/** Everything but stock drizzle, which is the line at 1. */
const subjects = ['raw', 'drizzle-transaction', 'drizzle-multitenant', 'tenancy-row', 'tenancy-schema', 'tenancy-database'];
const callers = 32;

/** A run's throughput with 32 callers, in multiples of stock drizzle's, as an SVG. */
export function plot({ results }: BenchDocument): string {
  const groups: Group[] = mainCases.map((what) => ({
    name: what,
    values: subjects.map((subject) => throughputRatio(results, { case: what, callers, rttMs: 0, subject }, 'drizzle')),
  }));
  return barChart({
    title: `Throughput with ${callers} callers; stock drizzle = 1`,
    series: subjects,
    groups: groups.filter(({ values }) => values.some((value) => value !== undefined)),
    line: { at: 1, name: 'drizzle' },
  });
}
