import { entityKind } from 'drizzle-orm';
import { PgCustomColumn, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core';

/**
 * A column that stands beside an encrypted one and belongs to it. drizzle-kit sees it like any other; services never do: no type names it,
 * no selection reads it, and only the library writes it.
 */
export abstract class HiddenColumn extends PgCustomColumn<never> {
  static override readonly [entityKind]: string = 'TenancyHiddenColumn';
}

/** A selection's fields without hidden columns. */
export function withoutHiddenColumns(fields: SelectedFieldsOrdered): SelectedFieldsOrdered {
  return fields.some(({ field }) => field instanceof HiddenColumn)
    ? fields.filter(({ field }) => !(field instanceof HiddenColumn))
    : fields;
}
