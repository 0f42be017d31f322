import { randomBytes } from 'node:crypto';
import type { Attempt } from './attempt.ts';
import type { Retailer } from './retailer.ts';

/** Sessions that set the context themselves, as SQL injection can, and then read another tenant's rows. */
export function forgedContexts(attacker: Retailer, victim: Retailer): readonly Attempt[] {
  const { tenancy } = attacker;
  const meets = { code: 'POLICY_VIOLATION', action: 'query.policy' } as const;
  const schema = tenancy.sql.identifier(victim.placement.schema);
  const readUnder = async (token: (own: string) => string): Promise<unknown> =>
    await tenancy.run(attacker.id, () =>
      tenancy.db.transaction(async () => {
        await tenancy.sql`select set_config('tenancy.context', ${token(await contextOf(attacker))}, true)`;
        return await tenancy.sql`select sku, supplier_iban from ${schema}.products`;
      }),
    );
  return [
    {
      name: 'forged setting: own token, other tenant in it',
      meets,
      act: () => readUnder((own) => own.replace(`:${attacker.id}:`, `:${victim.id}:`)),
    },
    { name: 'forged setting: own token, valid for longer', meets, act: () => readUnder((own) => own.replace(/:\d{10}:/, ':4102444800:')) },
    {
      name: 'forged setting: a made-up signature',
      meets,
      act: () => readUnder((own) => own.replace(/[0-9a-f]{64}$/, randomBytes(32).toString('hex'))),
    },
    { name: "forged setting: the other tenant's name alone", meets, act: () => readUnder(() => victim.id) },
    { name: "forged setting: the other's token, replayed", meets, act: () => replayed(victim, readUnder) },
  ];
}

/** The context that the current transaction runs under. */
async function contextOf({ tenancy }: Retailer): Promise<string> {
  const [row] = await tenancy.sql<{ token: string }>`select current_setting('tenancy.context') as token`;
  return row!.token;
}

/** Holds a session of the victim open, so that the attacker's is another one, and hands its context over. */
async function replayed(victim: Retailer, readUnder: (token: () => string) => Promise<unknown>): Promise<unknown> {
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let holding: Promise<void> | undefined;
  try {
    const token = await new Promise<string>((resolve, reject) => {
      holding = victim.tenancy.run(victim.id, () =>
        victim.tenancy.db.transaction(async () => {
          resolve(await contextOf(victim));
          await released;
        }),
      );
      holding.catch(reject);
    });
    return await readUnder(() => token);
  } finally {
    release();
    await holding;
  }
}
