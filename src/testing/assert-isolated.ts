import type { ControlPlane } from '../control-plane.ts';
import { ConfigurationError, IsolationError } from '../errors.ts';
import type { VerifyReport } from '../verify/finding.ts';
import { type AnyTenancy, controlOf } from './known-tenancies.ts';

/** What {@link assertIsolated} takes: a platform of `createTestPlatform`, a tenancy of one, or any control plane. */
export type IsolatedTarget = AnyTenancy | Pick<ControlPlane, 'verify'> | { readonly control: Pick<ControlPlane, 'verify'> };

/**
 * Tries on every table of every tenant database, as the service login, what one tenant must not be able to do to another: read, write, upsert,
 * move, refer to and truncate its rows. For a test after your migrations. What it tries is rolled back; only sequences go on.
 *
 * The attempts are the control plane's: a service signs for tenants that there are, and these are made up. A tenancy that
 * `createTestPlatform` made stands for its platform; one that `createTenancy` made holds nothing of the owner's and can't.
 *
 * @returns what was tried; its findings name what could not be, such as a table whose check constraints no made-up value pleases
 * @throws {IsolationError} listing what got through, or that nothing was tried
 * @throws {ConfigurationError} for a tenancy that no test platform made, and for whatever else can't be verified
 * @example
 * ```ts
 * test('no tenant reaches another', async () => {
 *   await assertIsolated(platform.tenancy);
 * });
 * ```
 */
export async function assertIsolated(target: IsolatedTarget): Promise<VerifyReport> {
  const report = await verifierOf(target).verify({ checks: 'probes' });
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

function verifierOf(target: IsolatedTarget): Pick<ControlPlane, 'verify'> {
  if ('control' in target) return target.control;
  if ('verify' in target) return target;
  const control = controlOf(target);
  if (control !== undefined) return control;
  throw new ConfigurationError(
    'assertIsolated was given a tenancy that createTestPlatform did not make: it can’t sign for made-up tenants.',
    {
      hint: 'Pass the platform, one of its tenancies, or the control plane: assertIsolated(await createControlPlane(…)).',
    },
  );
}
