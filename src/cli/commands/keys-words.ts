import type { SilentProcess } from '../../control.ts';
import type { CliSession } from '../cli-session.ts';
import { printable } from '../table.ts';

/** Who does this, for the audit. */
export function actorOf(session: CliSession, actor: string | undefined): string | undefined {
  return actor ?? (session.env['TENANCY_ACTOR'] || session.env['USER']);
}

/** Who has not answered, and until when that matters; empty for nobody. */
export function waiting(processes: readonly SilentProcess[]): string {
  if (processes.length === 0) return '';
  const named = processes.map(({ name, keysEndAt }) => `${printable(name)} (its keys end at ${keysEndAt.toISOString()})`);
  return ` Some services have not answered: ${named.join(', ')}.`;
}
