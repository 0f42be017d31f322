import { Column, entityKind, is, Name, Param, SQL, StringChunk, Subquery, View, WithSubquery } from 'drizzle-orm';
import { PgSelectBase, PgTable } from 'drizzle-orm/pg-core';
import { StoredValue, TableChunk } from './chunks.ts';
import { BlindIndexValue, Deferred, EncryptedValue, GivenTenantId } from './deferred.ts';
import { LazySql } from './lazy-sql.ts';

/**
 * What a chunk of a SQL tree, or a value in it, is to the shape cache. `other` is everything that it leaves to the ordinary path; `opaque` is
 * an object of a class unknown here, which may be a parameter's value and not a chunk.
 */
export const chunkKind = {
  other: 0,
  text: 1,
  sql: 2,
  param: 3,
  column: 4,
  name: 5,
  list: 6,
  table: 7,
  aliased: 8,
  subquery: 9,
  lazy: 10,
  select: 11,
  stored: 12,
  tableChunk: 13,
  encryptedValue: 14,
  givenTenantId: 15,
  blindIndexValue: 16,
  value: 17,
  opaque: 18,
} as const;

export type ChunkKind = (typeof chunkKind)[keyof typeof chunkKind];

const byPrototype = new WeakMap<object, ChunkKind>();

/** The kind of a chunk that is an object. It goes by the prototype, as drizzle's `is` does, whose answer costs a walk up the classes each time. */
export function chunkKindOf(chunk: object): ChunkKind {
  const prototype: object | null = Object.getPrototypeOf(chunk);
  // drizzle's own `is` fails on these.
  if (prototype === null) return chunkKind.other;
  let kind = byPrototype.get(prototype);
  if (kind === undefined) {
    kind = classify(chunk, prototype);
    byPrototype.set(prototype, kind);
  }
  return kind >= chunkKind.value && typeof (chunk as { getSQL?: unknown }).getSQL === 'function' ? chunkKind.other : kind;
}

const exact = new Map<object, ChunkKind>([
  [StringChunk.prototype, chunkKind.text],
  [SQL.prototype, chunkKind.sql],
  [LazySql.prototype, chunkKind.lazy],
  [Param.prototype, chunkKind.param],
  [Name.prototype, chunkKind.name],
  [Array.prototype, chunkKind.list],
  [SQL.Aliased.prototype, chunkKind.aliased],
  [Subquery.prototype, chunkKind.subquery],
  [WithSubquery.prototype, chunkKind.subquery],
  [PgSelectBase.prototype, chunkKind.select],
  [StoredValue.prototype, chunkKind.stored],
  [TableChunk.prototype, chunkKind.tableChunk],
  [EncryptedValue.prototype, chunkKind.encryptedValue],
  [BlindIndexValue.prototype, chunkKind.blindIndexValue],
  [GivenTenantId.prototype, chunkKind.givenTenantId],
  [Object.prototype, chunkKind.value],
  [Date.prototype, chunkKind.value],
  [Uint8Array.prototype, chunkKind.value],
  [Buffer.prototype, chunkKind.value],
]);

/** Subclasses of what drizzle exports may carry anything; those of columns and tables are types. */
function classify(chunk: object, prototype: object): ChunkKind {
  const known = exact.get(prototype);
  if (known !== undefined) return known;
  if (is(chunk, View)) return chunkKind.other;
  if (is(chunk, PgTable)) return chunkKind.table;
  if (is(chunk, Column)) return chunkKind.column;
  if (Array.isArray(chunk) || chunk instanceof Deferred || entityKind in (prototype.constructor as object)) return chunkKind.other;
  return chunkKind.opaque;
}
