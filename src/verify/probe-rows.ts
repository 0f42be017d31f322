import { qualifiedName } from '../sql/qualified-name.ts';
import { type ProbeRow, returningText } from './probe-attempts.ts';
import type { ProbeForeignKey, ProbeRelation } from './probe-facts.ts';
import type { ProbeSession } from './probe-session.ts';
import { probeValue, probeVariants } from './probe-values.ts';

/** One synthetic tenant's rows in a schema, by table. */
export class ProbeRows {
  readonly tenant: string;
  readonly #session: ProbeSession;
  readonly #rows = new Map<string, ProbeRow>();
  /** Rows of reference tables, which foreign keys may point at; undefined where there is none. */
  readonly #references: Map<string, ProbeRow | undefined>;

  /** @param session under this tenant's context whenever a method is called */
  constructor(session: ProbeSession, tenant: string, references: Map<string, ProbeRow | undefined>) {
    this.#session = session;
    this.tenant = tenant;
    this.#references = references;
  }

  get(table: string): ProbeRow | undefined {
    return this.#rows.get(table);
  }

  /**
   * Inserts a row, undone where that fails.
   *
   * @param like another tenant's row, whose values it takes where no foreign key says otherwise
   * @returns the SQLSTATE of the failure or a reason in words; undefined when the row is there
   */
  async insert(table: ProbeRelation, row: number, like?: ProbeRow): Promise<string | undefined> {
    const parents = await this.#parentsOf(table);
    if (typeof parents === 'string') return parents;
    let failure: string | undefined;
    let last: string | undefined;
    for (let variant = 0; variant < (like === undefined ? probeVariants : 1); variant++) {
      const values = like === undefined ? generated(table, { row, variant }) : copied(table, like);
      if (typeof values === 'string') return values;
      const text = returningText(table, new Map([...values, ...parents, ['tenant_id', this.tenant]]));
      if (text === last) continue;
      last = text;
      const made = await this.#session.keep<{ values: (string | null)[] }>(text);
      if ('code' in made) {
        failure ??= made.code;
        // Another value may please a check; nothing else gets better by it.
        if (!/^2[23]/.test(made.code)) return made.code;
        continue;
      }
      const { row: kept } = made;
      if (kept === undefined) return 'the insert was swallowed';
      this.#rows.set(table.name, new Map(table.columns.map(({ name }, index) => [name, kept.values[index] ?? null])));
      return undefined;
    }
    return failure;
  }

  /** What the foreign keys of a new row must hold. */
  async #parentsOf(table: ProbeRelation): Promise<ReadonlyMap<string, string | null> | string> {
    const held = new Map<string, string | null>();
    for (const key of table.foreignKeys) {
      const own = key.schema === table.schema;
      const parent = own ? this.#rows.get(key.table) : await this.#reference(key);
      const optional = key.columns.some((name) => {
        const column = table.columns.find((candidate) => candidate.name === name);
        return name !== 'tenant_id' && (column?.notNull === false || column?.filled === true);
      });
      if (parent === undefined && !optional) return `the foreign key ${key.name} has no row to point at`;
      if (parent === undefined) continue;
      for (const [index, name] of key.columns.entries()) {
        if (name !== 'tenant_id') held.set(name, parent.get(key.parentColumns[index] ?? '') ?? null);
      }
    }
    return held;
  }

  async #reference(key: ProbeForeignKey): Promise<ProbeRow | undefined> {
    const name = qualifiedName(key.schema, key.table);
    if (this.#references.has(name)) return this.#references.get(name);
    const read = await this.#session.keep<{ value: Record<string, string | null> }>(
      `select (select json_object_agg(key, value) from json_each_text(to_json(r))) as value from ${name} r limit 1`,
    );
    this.#references.set(name, 'code' in read || read.row === undefined ? undefined : new Map(Object.entries(read.row.value)));
    return this.#references.get(name);
  }
}

/** Tables in an order in which each comes after those that its foreign keys point at, as far as there is one. */
export function parentsFirst(tables: readonly ProbeRelation[]): readonly ProbeRelation[] {
  const ordered: ProbeRelation[] = [];
  const seen = new Set<string>();
  const place = (table: ProbeRelation): void => {
    if (seen.has(table.name)) return;
    seen.add(table.name);
    for (const key of table.foreignKeys) {
      const parent = tables.find(({ schema, name }) => schema === key.schema && name === key.table);
      if (parent !== undefined) place(parent);
    }
    ordered.push(table);
  };
  for (const table of tables) place(table);
  return ordered;
}

function generated(table: ProbeRelation, seed: Parameters<typeof probeValue>[1]): ReadonlyMap<string, string> | string {
  const values = new Map<string, string>();
  const inForeignKey = new Set(table.foreignKeys.flatMap(({ columns }) => columns));
  for (const column of table.columns) {
    if (column.generated || column.filled || column.name === 'tenant_id' || inForeignKey.has(column.name)) continue;
    if (!column.notNull && !column.keyed) continue;
    const value = probeValue(column, seed);
    if (value === undefined && !column.notNull) continue;
    if (value === undefined) return `no value is known for the type ${column.type} of ${column.name}`;
    values.set(column.name, value);
  }
  return values;
}

function copied(table: ProbeRelation, like: ProbeRow): ReadonlyMap<string, string | null> {
  return new Map(table.columns.filter(({ generated: computed }) => !computed).map(({ name }) => [name, like.get(name) ?? null]));
}
