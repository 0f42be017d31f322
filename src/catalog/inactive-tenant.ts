import { type TenancyErrorOptions, TenantInactiveError } from '../errors.ts';
import type { TenantStatus } from '../tenant/tenant.ts';

const hints: Readonly<Record<TenantStatus, string | undefined>> = {
  active: 'Provision it again: the run continues where it stopped.',
  provisioning: 'Wait until provisioning has finished, or run it again if it failed.',
  suspended: 'Set its status to active to serve it again.',
  offboarded: 'Its data is gone and its id is never used again.',
};

/** The refusal of a tenant that exists but may not be served; an `active` one is refused when nothing says where its rows are. */
export function inactiveTenant(
  tenantId: string,
  status: TenantStatus,
  noted: Pick<TenancyErrorOptions, 'auditId' | 'cause'> = {},
): TenantInactiveError {
  return new TenantInactiveError(
    `The tenant ${tenantId} may not be served: it ${status === 'active' ? 'has no placement' : `is ${status}`}.`,
    {
      tenantId,
      retryable: status === 'provisioning',
      hint: hints[status],
      ...noted,
    },
  );
}
