import type { ControlPlane } from '../control-plane.ts';
import { IsolationError } from '../errors.ts';
import type { VerifyReport } from '../verify/finding.ts';

/** What {@link assertIsolated} takes: a platform of `createTestPlatform`, or any control plane. */
export type IsolatedTarget = Pick<ControlPlane, 'verify'> | { readonly control: Pick<ControlPlane, 'verify'> };

/**
 * Tries on every table of every tenant database, as the service login, what one tenant must not be able to do to another: read, write, upsert,
 * move, refer to and truncate its rows. For a test after your migrations. What it tries is rolled back; only sequences go on.
 *
 * It takes a control plane, not a service: a service signs for tenants that there are, and these are made up.
 *
 * @returns what was tried; its findings name what could not be, such as a table whose check constraints no made-up value pleases
 * @throws {IsolationError} listing what got through, or that nothing was tried
 * @example
 * ```ts
 * test('no tenant reaches another', async () => {
 *   await assertIsolated(platform);
 * });
 * ```
 */
export async function assertIsolated(target: IsolatedTarget): Promise<VerifyReport> {
  const report = await ('control' in target ? target.control : target).verify({ checks: 'probes' });
  const through = report.findings.filter(({ severity }) => severity === 'critical' || severity === 'error');
  if (through.length > 0) {
    const lines = through.map(({ id, location, message, remedy }) => `  ${id} ${location}: ${message} ${remedy}`);
    throw new IsolationError(
      `Tenants are not isolated; ${through.length} of ${report.checked} attempts got through:\n${lines.join('\n')}`,
      {
        findings: report.findings,
      },
    );
  }
  if (report.checked === 0) {
    throw new IsolationError('Nothing was tried: there is no tenant, or no table.', {
      findings: report.findings,
      hint: 'Onboard a tenant and migrate it first.',
    });
  }
  return report;
}
