import type { Auditor } from '../audit/auditor.ts';
import type { AuditLog } from './audit-log.ts';

/**
 * Records, as an entry of a chain, what the log held before chains began: from then on that can't be changed unseen either. Done once; an
 * entry that the services' login wrote does not count, since whoever has it could have named any baseline.
 *
 * @returns whether it was done now
 */
export async function sealBaseline(log: AuditLog, auditor: Auditor, serviceLogin: string): Promise<boolean> {
  const sealed = await log.sealedBaselines();
  if (sealed.some(({ recordedBy }) => recordedBy !== serviceLogin)) return false;
  const { entries, digest } = await log.baseline();
  await auditor.record({ action: 'audit', outcome: 'completed', reason: 'baseline', detail: { entries, digest } });
  return true;
}
