import type { Sql } from 'postgres';
import { type CheckResult, locate, type VerifiedDatabase } from './database-check.ts';
import type { Finding } from './finding.ts';

/** The server allows contexts that long after they expire (migrations/database/0001_context.sql). */
const allowedMs = 30_000;

/** How far the server's clock is from this process's: a signed context is valid for a time that one writes and the other reads. */
export async function checkClock(sql: Sql, database: VerifiedDatabase): Promise<CheckResult> {
  let best = { travelMs: Number.POSITIVE_INFINITY, skewMs: 0 };
  for (let sample = 0; sample < 3; sample++) {
    const sentAt = Date.now();
    const [row] = await sql<{ now: number }[]>`select (extract(epoch from pg_catalog.clock_timestamp()) * 1000)::float8 as now`;
    const travelMs = Date.now() - sentAt;
    if (travelMs < best.travelMs) best = { travelMs, skewMs: (row?.now ?? 0) - (sentAt + travelMs / 2) };
  }
  return { findings: clockFindings(locate(database, 'clock'), best.skewMs, best.travelMs), checked: 1 };
}

/** @param skewMs how far the server is ahead, in milliseconds; known to half of `travelMs` */
export function clockFindings(location: string, skewMs: number, travelMs: number): readonly Finding[] {
  const surely = Math.max(0, Math.abs(skewMs) - travelMs / 2);
  if (surely < 5_000) return [];
  const seconds = Math.round(surely / 1_000);
  return [
    {
      id: 'clock-skew',
      severity: surely >= allowedMs ? 'error' : 'warning',
      location,
      message: `The server's clock is ${seconds} s ${skewMs > 0 ? 'ahead of' : 'behind'} this process's: ${skewMs > 0 ? 'contexts are refused before their time' : 'contexts live longer than they should'}.`,
      remedy: 'Keep both on one time service (NTP).',
    },
  ];
}
