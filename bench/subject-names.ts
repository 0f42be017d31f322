/** In the order of the reports. */
export const subjectNames = [
  'raw',
  'drizzle',
  'drizzle-transaction',
  'drizzle-multitenant',
  'tenancy-row',
  'tenancy-schema',
  'tenancy-database',
] as const;
export type SubjectName = (typeof subjectNames)[number];
