import type { ControlPlane } from '../control-plane.ts';
import type { Tenancy } from '../tenancy.ts';

/** A service's side of a platform, whatever its schema. */
export type AnyTenancy = Pick<Tenancy<Record<string, unknown>>, 'run' | 'currentOrNull' | 'close'>;

// Beside the tenancy and not in it: a service's side holds nothing of the owner's.
const planes = new WeakMap<object, Pick<ControlPlane, 'verify'>>();

/** Remembers which platform a tenancy was made on. */
export function rememberTenancy(tenancy: AnyTenancy, control: Pick<ControlPlane, 'verify'>): void {
  planes.set(tenancy, control);
}

/** The control plane of the test platform that a tenancy was made on; undefined for one that was made elsewhere. */
export function controlOf(tenancy: object): Pick<ControlPlane, 'verify'> | undefined {
  return planes.get(tenancy);
}
