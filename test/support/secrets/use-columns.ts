import { eq, inArray, ne, sql } from 'drizzle-orm';
import type { Tenancy } from '../../../src/tenancy.ts';
import { people } from './canary-schema.ts';
import { type CanaryValues, rowOf } from './canary-values.ts';

type Service = Tenancy<{ people: typeof people }>;

/** Every ordinary way to write and read encrypted columns. @returns what was read, to see that it was there */
export async function useColumns(service: Service, tenant: string, values: CanaryValues): Promise<unknown[]> {
  const { db } = service;
  return await service.run(
    tenant,
    async () => {
      await db.insert(people).values([1, 2, 3].map((id) => rowOf(id, values)));
      await db
        .insert(people)
        .values(rowOf(3, values))
        .onConflictDoUpdate({ target: people.email, set: { name: values.text } });
      await db
        .update(people)
        .set({ notes: values.text, scan: Buffer.from(values.text) })
        .where(eq(people.email, `${values.text}@2.EXAMPLE.ORG`));
      const prepared = db
        .insert(people)
        .values({ id: 4, name: sql.placeholder('name'), plain: sql.placeholder('plain') })
        .prepare('canary');
      await prepared.execute({ name: values.text, plain: values.plain });
      const read = [
        await db.select().from(people),
        await db
          .select()
          .from(people)
          .where(inArray(people.iban, [`${values.text} 1`])),
        await db.query.people.findMany({ where: ne(people.email, values.text) }),
        await service.transaction((tx) => tx.select({ name: people.name, scan: people.scan }).from(people)),
      ];
      await service.sql`select * from people where plain = ${values.plain}`;
      await service.sql`select ${sql.raw(`'${values.plain}'`)} as written_by_hand`;
      for await (const _ of service.sql`select * from people`.copyTo());
      for await (const _ of service.sql`select * from people`.stream());
      await db.delete(people).where(eq(people.id, 4));
      return read;
    },
    { requestId: values.plain },
  );
}
