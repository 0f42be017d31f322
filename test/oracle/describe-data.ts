import { moods, type written } from './description.ts';
import { Tape } from './tape.ts';

export type Row = Readonly<Record<string, unknown>>;

/** One tenant's rows by table, parents first. */
export type TenantData = Readonly<Record<(typeof written)[number], readonly Row[]>>;

/** Rows of several tenants, out of so few values that ids collide and whole rows are equal. */
export function describeData(bytes: Uint8Array, tenants: readonly string[]): ReadonlyMap<string, TenantData> {
  const tape = new Tape(bytes);
  const optional = <T>(value: () => T): T | null => (tape.once(3) ? null : value());
  const ids = (most: number): number[] => Array.from({ length: most }, (_, index) => index + 1).filter(() => tape.below(3) > 0);
  return new Map(
    tenants.map((tenant) => {
      const shops = ids(5).map((id) => ({
        id,
        name: optional(() => `${tape.pick(['a', 'b', 'A'])}${id}`),
        mood: optional(() => tape.pick(moods)),
        size: optional(() => tape.below(4)),
        parentId: optional(() => tape.below(5)),
        secret: optional(() => tape.pick(['s1', 's2', `${tenant}'s own`])),
      }));
      const shop = (): number | null => (shops.length === 0 ? null : optional(() => tape.pick(shops).id));
      const items = ids(6).map((id) => ({
        id,
        shopId: shop(),
        code: `c${id}`,
        price: tape.below(6),
        active: tape.below(2) === 0,
        note: optional(() => tape.pick(['a', 'b', 'made'])),
        details: optional(() => tape.pick([{ a: 1 }, { b: [null] }])),
        rate: optional(() => tape.pick(['A', 'B', 'C'])),
        secret: optional(() => tape.pick(['s1', 's2'])),
      }));
      const item = (): number | null => (items.length === 0 ? null : optional(() => tape.pick(items).id));
      const sales = ids(8).map((id) => ({
        id,
        itemId: item(),
        amount: optional(() => tape.below(5)),
        mood: optional(() => tape.pick(moods)),
        buyer: optional(() => tape.pick(['a', 'b', 'B1', tenant])),
      }));
      const notes = ids(3).map((number) => ({ number, body: optional(() => tape.pick(['a', 'c1', tenant])) }));
      return [tenant, { shops, items, sales, notes }];
    }),
  );
}
