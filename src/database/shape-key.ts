/**
 * What a statement's key is made of. Every step of the walk names what it adds, so that the tests can leave one out and see that it is
 * missed. A few are boundaries between lists, which keep one key from being read as another's.
 */
export const ingredient = {
  kind: 0,
  clause: 1,
  text: 2,
  chunkCount: 3,
  listLength: 4,
  chunkKind: 5,
  column: 6,
  table: 7,
  tableAlias: 8,
  name: 9,
  parameter: 10,
  fieldKey: 11,
  fieldShape: 12,
  decoder: 13,
  fieldAlias: 14,
  subquery: 15,
  limit: 16,
  distinct: 17,
  join: 18,
  lock: 19,
  rows: 20,
  cell: 21,
  assignment: 22,
} as const;

export type Ingredient = (typeof ingredient)[keyof typeof ingredient];

/** A part of a key: text, a number of {@link token} or a length, or a drizzle object that stands for itself. */
export type Token = string | number | object;

/** Numbers that stand for themselves; lengths come in places where none of these can. */
export const token = {
  end: -1,
  nothing: -2,
  sql: -3,
  parameter: -4,
  encrypted: -5,
  givenTenantId: -6,
  bare: -7,
  name: -8,
  list: -9,
  alias: -10,
  aliased: -11,
  subquery: -12,
  cte: -13,
  lazy: -14,
  select: -15,
  stored: -16,
  tableChunk: -17,
  filtered: -18,
  default: -19,
  object: -20,
  sameValue: -21,
  decoded: -22,
  selected: -23,
  yes: -24,
  no: -25,
  indexed: -26,
} as const;
