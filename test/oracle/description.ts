/** A query as plain data: it can be printed, and built against any drizzle database over either of the two schemas. */
export type ColumnType = 'int' | 'text' | 'bool' | 'mood' | 'json' | 'secret' | 'tenant';

export type TableName = 'shops' | 'items' | 'sales' | 'notes' | 'rates' | 'totals' | 'vaults';

export type Literal = number | string | boolean | null;

/** A column of something that the query reads from, by the name that it has there. */
export interface Ref {
  readonly source: string;
  readonly column: string;
  readonly type: ColumnType;
}

export type Expression =
  | { readonly is: 'column'; readonly ref: Ref }
  | { readonly is: 'literal'; readonly type: ColumnType; readonly value: Literal }
  | { readonly is: 'plus'; readonly ref: Ref; readonly value: number }
  | { readonly is: 'call'; readonly name: 'upper' | 'length' | 'abs'; readonly ref: Ref }
  | { readonly is: 'coalesce'; readonly ref: Ref; readonly value: Literal }
  | { readonly is: 'condition'; readonly condition: Condition }
  | { readonly is: 'aggregate'; readonly name: 'count' | 'sum' | 'min' | 'max' | 'countDistinct'; readonly ref: Ref }
  | { readonly is: 'scalar'; readonly select: Select }
  | { readonly is: '$count'; readonly table: TableName; readonly where?: Condition };

export type Condition =
  | { readonly is: 'null'; readonly ref: Ref; readonly not: boolean }
  | { readonly is: 'compare'; readonly operator: Operator; readonly ref: Ref; readonly value: Literal }
  | { readonly is: 'columns'; readonly operator: Operator; readonly left: Ref; readonly right: Ref }
  | { readonly is: 'list'; readonly ref: Ref; readonly values: readonly Literal[]; readonly not: boolean }
  | { readonly is: 'between'; readonly ref: Ref; readonly from: number; readonly to: number }
  | { readonly is: 'like'; readonly ref: Ref; readonly pattern: string; readonly fold: boolean }
  | { readonly is: 'not'; readonly of: Condition }
  | { readonly is: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly is: 'raw or'; readonly of: Condition }
  | { readonly is: 'exists'; readonly select: Select; readonly not: boolean }
  | { readonly is: 'in'; readonly ref: Ref; readonly select: Select; readonly not: boolean }
  | { readonly is: 'scalar'; readonly operator: Operator; readonly ref: Ref; readonly select: Select }
  | { readonly is: 'fragment'; readonly table: TableName; readonly key: string; readonly ref: Ref };

export type Operator = 'eq' | 'ne' | 'gt' | 'gte' | 'lt' | 'lte';

export type Source =
  | { readonly is: 'table'; readonly table: TableName; readonly name: string }
  | { readonly is: 'subquery'; readonly select: Select; readonly name: string }
  | { readonly is: 'cte'; readonly name: string };

export interface Join {
  readonly type: 'inner' | 'left' | 'right' | 'full' | 'cross';
  readonly lateral: boolean;
  readonly source: Source;
  readonly on?: Condition;
}

export interface Field {
  readonly key: string;
  readonly expression: Expression;
  /** Whether it needs a name of its own, because a query around this one reads it. */
  readonly named: boolean;
}

export interface Order {
  readonly field: number;
  readonly direction: 'asc' | 'desc';
}

export interface Select {
  /** A standalone QueryBuilder where it is only a part of another query. */
  readonly standalone: boolean;
  readonly ctes: readonly Cte[];
  readonly distinct: boolean | 'on';
  /** Undefined: whatever drizzle selects by itself. */
  readonly fields?: readonly Field[];
  readonly from: Source;
  readonly joins: readonly Join[];
  readonly where?: Condition;
  readonly groupBy: readonly Ref[];
  /** The least number of rows of a group. */
  readonly having?: number;
  readonly union: readonly { readonly operator: SetOperator; readonly select: Select }[];
  readonly orderBy: readonly Order[];
  readonly limit?: number;
  readonly offset?: number;
  readonly lock?: 'update' | 'share' | 'no key update';
  /** Whether `orderBy` leaves no choice. */
  readonly ordered: boolean;
}

export type SetOperator = 'union' | 'unionAll' | 'intersect' | 'intersectAll' | 'except' | 'exceptAll';

export interface Cte {
  readonly name: string;
  readonly query: Select | Write;
}

export type Value =
  | { readonly is: 'literal'; readonly value: Literal | object }
  | { readonly is: 'expression'; readonly expression: Expression };

export type Values = Readonly<Record<string, Value | { readonly is: 'excluded'; readonly column: string }>>;

export interface Insert {
  readonly is: 'insert';
  readonly table: TableName;
  readonly ctes: readonly Cte[];
  readonly rows: readonly Values[] | Select;
  readonly overriding: boolean;
  /** `do` absent: nothing. */
  readonly conflict?: {
    readonly target?: readonly string[];
    readonly set?: Values;
    readonly where?: Condition;
  };
  readonly returning?: readonly string[] | 'all';
}

export interface Update {
  readonly is: 'update';
  readonly table: TableName;
  readonly ctes: readonly Cte[];
  readonly set: Values;
  readonly from?: { readonly source: Source; readonly joins: readonly Join[] };
  readonly where?: Condition;
  readonly returning?: readonly string[] | 'all';
}

export interface Delete {
  readonly is: 'delete';
  readonly table: TableName;
  readonly ctes: readonly Cte[];
  readonly where?: Condition;
  readonly returning?: readonly string[] | 'all';
}

export type Write = Insert | Update | Delete;

export interface Relational {
  readonly columns?: readonly string[];
  readonly where?: Condition;
  readonly descending: boolean;
  readonly limit?: number;
  readonly offset?: number;
  readonly extra?: Expression;
  readonly with: Readonly<Record<string, Relational>>;
}

export type Query = (
  | { readonly is: 'select'; readonly select: Select }
  | { readonly is: 'relational'; readonly table: 'shops' | 'items' | 'sales'; readonly first: boolean; readonly config: Relational }
  | { readonly is: '$count'; readonly table: TableName; readonly where?: Condition }
  | { readonly is: 'raw'; readonly template: number; readonly value: number }
  | { readonly is: 'write'; readonly write: Write }
) & {
  /** Whether literals travel as placeholders of a `.prepare()`d query. */
  readonly prepared: boolean;
  /** Whether a write is kept. */
  readonly keep: boolean;
};

export const tableColumns: Readonly<Record<TableName, Readonly<Record<string, ColumnType>>>> = {
  shops: { tenantId: 'tenant', id: 'int', name: 'text', mood: 'mood', size: 'int', parentId: 'int', secret: 'secret', touched: 'text' },
  items: {
    tenantId: 'tenant',
    id: 'int',
    shopId: 'int',
    code: 'text',
    price: 'int',
    active: 'bool',
    note: 'text',
    details: 'json',
    rate: 'text',
    secret: 'secret',
  },
  sales: { tenantId: 'tenant', id: 'int', itemId: 'int', amount: 'int', mood: 'mood', buyer: 'text' },
  notes: { tenantId: 'tenant', number: 'int', body: 'text' },
  rates: { code: 'text', label: 'text', factor: 'int' },
  totals: { tenantId: 'tenant', id: 'int', code: 'text', pieces: 'int' },
  vaults: { tenantId: 'tenant', id: 'int', mood: 'mood', secret: 'secret' },
};

/** What tells a row of a table from the tenant's others. */
export const keyOf: Readonly<Record<TableName, string>> = {
  shops: 'id',
  items: 'id',
  sales: 'id',
  notes: 'number',
  rates: 'code',
  totals: 'id',
  vaults: 'id',
};

export const written = ['shops', 'items', 'sales', 'notes'] as const;

export const moods = ['low', 'mid', 'high'] as const;
