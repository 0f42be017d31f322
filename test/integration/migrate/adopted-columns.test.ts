import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrateTarget } from '../../../src/migrate/migrate-target.ts';
import { Workshop } from './workshop.ts';

const tables = 'create table notes (tenant_id text not null, id int not null, note text, primary key (tenant_id, id));';
const adopting =
  'alter table notes add column note_encrypted bytea, add constraint notes_note_adopting check (num_nonnulls(note, note_encrypted) <= 1);';
const dropping = 'alter table notes drop constraint notes_note_adopting; alter table notes drop column note;';

let workshop: Workshop;
beforeAll(async () => {
  workshop = await Workshop.open();
});
afterAll(async () => {
  await workshop?.[Symbol.asyncDispose]();
});

const source = (third?: string) =>
  workshop.source({ '0001_t.sql': tables, '0002_a.sql': adopting, ...(third === undefined ? {} : { '0003_d.sql': third }) });

/** A tenant whose table is in the middle of it, with a row in plaintext. */
async function adoptingTenant(id: string) {
  const [target] = await workshop.tenants(id);
  const report = await migrateTarget(target!, await source(), workshop.options());
  expect(report.error).toBeUndefined();
  await workshop.admin.unsafe(`insert into ${target!.schema}.notes values ('${id}', 1, 'call ada at noon')`);
  return target!;
}

it.each([
  ['with its check', dropping],
  ['alone', 'alter table notes drop column note;'],
  [
    'after renaming it and its table',
    'alter table notes rename note to n; alter table notes rename to texts; alter table texts drop column n;',
  ],
  [
    'outside a transaction',
    'create index concurrently i on notes (id); alter table only notes drop constraint notes_note_adopting, drop column if exists "note";',
  ],
  ['and makes another of its name', `${dropping} alter table notes add column note text;`],
])('refuses a migration that drops a plaintext column %s before it is contracted', async (what, sql) => {
  const target = await adoptingTenant(`drop-${what.replaceAll(/[^a-z]/g, '').slice(0, 20)}`);
  const report = await migrateTarget(target, await source(sql), workshop.options());
  expect(report).toMatchObject({ outcome: 'failed', applied: [] });
  expect(report.error).toMatchObject({ code: 'MIGRATION', message: expect.stringContaining('drops notes.note') });
  expect(report.error?.message).not.toContain('noon');
  const [row] = await workshop.admin.unsafe(`select note from ${target.schema}.notes`);
  expect(row).toEqual({ note: 'call ada at noon' });
});

it('PostgreSQL itself drops the column with what is in it (the control)', async () => {
  const target = await adoptingTenant('control-1');
  const bare = new pg.Client({ connectionString: workshop.ownerUrl });
  await bare.connect();
  await bare.query(`set search_path to ${target.schema}; ${dropping}`).finally(() => bare.end());
  expect(await workshop.columns(target.schema, 'notes')).toEqual(['tenant_id', 'id', 'note_encrypted']);
});

it('lets the column go once a validated check keeps it empty, and not before it is validated', async () => {
  const target = await adoptingTenant('contract-1');
  await workshop.admin.unsafe(`alter table contract_1.notes add constraint notes_note_adopted check (note is null) not valid`);
  expect((await migrateTarget(target, await source(dropping), workshop.options())).error?.message).toContain('drops notes.note');
  await workshop.admin.unsafe(
    `update contract_1.notes set note = null, note_encrypted = '\\xe1'; alter table contract_1.notes validate constraint notes_note_adopted`,
  );
  expect((await migrateTarget(target, await source(dropping), workshop.options())).error).toBeUndefined();
  expect(await workshop.columns('contract_1', 'notes')).toEqual(['tenant_id', 'id', 'note_encrypted']);
});

it('does not stand in the way of a new tenant, of other columns, or of dropping the whole table', async () => {
  const [fresh] = await workshop.tenants('fresh-1');
  expect((await migrateTarget(fresh!, await source(dropping), workshop.options())).error).toBeUndefined();
  const other = await adoptingTenant('other-1');
  const more = await source('alter table notes add column n int; alter table notes drop column n;');
  expect((await migrateTarget(other, more, workshop.options())).error).toBeUndefined();
  const gone = await adoptingTenant('gone-1');
  expect((await migrateTarget(gone, await source('drop table notes;'), workshop.options())).error).toBeUndefined();
});
