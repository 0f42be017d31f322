import { expect, test } from 'vitest';
import { requirePlanCacheMode } from '../../../src/connection/plan-cache-mode.ts';
import { ConfigurationError } from '../../../src/errors.ts';

test.each([undefined, 'auto', 'force_generic_plan', 'force_custom_plan'])('%s is one of the modes', (mode) => {
  expect(() => requirePlanCacheMode(mode)).not.toThrow();
});

test.each(['generic', "auto'; set role x", 1, null, ['auto']])('%s is refused', (mode) => {
  expect(() => requirePlanCacheMode(mode)).toThrow(ConfigurationError);
});
