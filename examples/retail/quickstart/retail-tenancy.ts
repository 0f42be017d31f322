import type { Tenancy } from '@godseye/tenancy';
import * as tables from '../schema.ts';
import * as relations from './relations.ts';

/** What the retailers' services query. */
export const retailSchema = Object.freeze({ ...tables, ...relations });

export type RetailTenancy = Tenancy<typeof retailSchema>;
