import { ConfigurationError } from '../errors.ts';

/**
 * How PostgreSQL plans statements that are kept prepared (its `plan_cache_mode`). `auto` plans the first five executions for their values
 * and then decides by estimate; `force_generic_plan` plans once for all values.
 */
export type PlanCacheMode = 'auto' | 'force_generic_plan' | 'force_custom_plan';

const modes: ReadonlySet<unknown> = new Set<PlanCacheMode>(['auto', 'force_generic_plan', 'force_custom_plan']);

/** @throws {ConfigurationError} for anything else: it becomes a setting of the connection */
export function requirePlanCacheMode(mode: unknown): void {
  if (mode === undefined || modes.has(mode)) return;
  throw new ConfigurationError('lanes.planCacheMode is none of PostgreSQL’s modes.', {
    hint: 'Use auto, force_generic_plan or force_custom_plan.',
  });
}
