import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MigrationError } from '../../../src/errors.ts';
import { rewritePublic } from '../../../src/migrate/public-rewriter.ts';

const rewrite = (sql: string): string => rewritePublic(sql, '0001_test.sql');
const fixtures = fileURLToPath(new URL('../../fixtures/migrations-drizzle/', import.meta.url));

describe('rewritePublic', () => {
  it.each([
    ['CREATE TYPE "public"."status" AS ENUM(\'a\')', 'CREATE TYPE "status" AS ENUM(\'a\')'],
    ['CREATE TABLE "public"."t" ("a" int)', 'CREATE TABLE "t" ("a" int)'],
    [
      'CREATE TABLE IF NOT EXISTS "public"."t" ("s" "public"."status" DEFAULT \'a\'::"public"."status", "b" "public"."status"[])',
      'CREATE TABLE IF NOT EXISTS "t" ("s" "status" DEFAULT \'a\'::"status", "b" "status"[])',
    ],
    [
      'ALTER TABLE "public"."t" ADD CONSTRAINT "f" FOREIGN KEY ("a") REFERENCES "public"."u"("a")',
      'ALTER TABLE "t" ADD CONSTRAINT "f" FOREIGN KEY ("a") REFERENCES "u"("a")',
    ],
    ['ALTER TABLE ONLY "public"."t" ADD COLUMN "s" "public"."status"', 'ALTER TABLE ONLY "t" ADD COLUMN "s" "status"'],
    ['ALTER TABLE "t" ADD COLUMN IF NOT EXISTS "s" "public"."status"', 'ALTER TABLE "t" ADD COLUMN IF NOT EXISTS "s" "status"'],
    [
      'ALTER TABLE "t" ALTER COLUMN "s" SET DATA TYPE "public"."status" USING "s"::"public"."status"',
      'ALTER TABLE "t" ALTER COLUMN "s" SET DATA TYPE "status" USING "s"::"status"',
    ],
    [
      'CREATE UNIQUE INDEX CONCURRENTLY "i" ON "public"."t" USING btree ("a")',
      'CREATE UNIQUE INDEX CONCURRENTLY "i" ON "t" USING btree ("a")',
    ],
    ['DROP INDEX IF EXISTS "public"."i"', 'DROP INDEX IF EXISTS "i"'],
    ['DROP TABLE "public"."a", "public"."b" CASCADE', 'DROP TABLE "a", "b" CASCADE'],
    ['DROP TYPE "public"."status"', 'DROP TYPE "status"'],
    ['ALTER TYPE "public"."status" ADD VALUE \'b\'', 'ALTER TYPE "status" ADD VALUE \'b\''],
    ['CREATE SEQUENCE "public"."n" OWNED BY "public"."t"."a"', 'CREATE SEQUENCE "n" OWNED BY "t"."a"'],
    [
      'CREATE VIEW "public"."v" AS (select "t"."a" from "public"."t" left join "public"."u" on true)',
      'CREATE VIEW "v" AS (select "t"."a" from "t" left join "u" on true)',
    ],
    ['COMMENT ON COLUMN "public"."t"."a" IS \'x\'', 'COMMENT ON COLUMN "t"."a" IS \'x\''],
    ['INSERT INTO public.Users VALUES (1)', 'INSERT INTO "users" VALUES (1)'],
    ['select * from Public . user', 'select * from "user"'],
    ['CREATE TABLE "public"."public" ("public" boolean, CHECK ("public"."public"))', undefined],
    ['CREATE INDEX "i" ON "t" ("a","public") WHERE "t"."public"', 'CREATE INDEX "i" ON "t" ("a","public") WHERE "t"."public"'],
    ['ALTER TABLE "t" DROP COLUMN "public"', 'ALTER TABLE "t" DROP COLUMN "public"'],
    [
      'ALTER TABLE "t" ADD FOREIGN KEY ("c") REFERENCES "reference"."currencies"("code")',
      'ALTER TABLE "t" ADD FOREIGN KEY ("c") REFERENCES "reference"."currencies"("code")',
    ],
    [
      'DO $$ BEGIN\n CREATE TYPE "public"."s" AS ENUM(\'a\');\nEXCEPTION WHEN duplicate_object THEN null;\nEND $$;',
      'DO $$ BEGIN\n CREATE TYPE "s" AS ENUM(\'a\');\nEXCEPTION WHEN duplicate_object THEN null;\nEND $$;',
    ],
  ])('%s', (sql, expected) => {
    if (expected === undefined) expect(() => rewrite(sql)).toThrow(MigrationError);
    else expect(rewrite(sql)).toBe(expected);
  });

  it.each([
    'CREATE SCHEMA "public"',
    'DROP SCHEMA public CASCADE',
    'ALTER TABLE "t" SET SCHEMA "public"',
    'SET search_path TO public',
    'GRANT SELECT ON "t" TO PUBLIC',
    'GRANT USAGE ON SCHEMA public TO x',
    'CREATE POLICY "p" ON "t" TO public USING (true)',
    'select "public"."t"."a" from "t"',
    'select "db"."public"."t"',
    'ALTER TABLE "t" ALTER COLUMN "a" SET DEFAULT "public"."f"()',
    'CREATE TABLE t (public boolean)',
    `select nextval('public.seq')`,
    `select nextval ( '"public"."seq"' )`,
    `select 'public.t'::regclass`,
    `select regclass 'public.t'`,
    `select cast('public.t' as regclass)`,
    `select 'public.t'::pg_catalog.regclass`,
    'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ select count(*) from public.t $$',
    'CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = public AS $$ select 1 $$',
    `DO $$ BEGIN EXECUTE 'drop table public.t'; END $$`,
    'select U&"p\\0075blic".t',
    `select 'open`,
    'create table "open',
    'do $$ begin',
  ])('refuses to guess at: %s', (sql) => expect(() => rewrite(sql)).toThrow(MigrationError));

  it('names file and line', () => {
    expect(() =>
      rewrite(`CREATE TABLE "a" ("x" text DEFAULT 'one\ntwo');--> statement-breakpoint\n-- public\nGRANT SELECT ON "a" TO PUBLIC;`),
    ).toThrow(/^0001_test\.sql:4: .*TO PUBLIC/);
    expect(() => rewrite('select 1;\nDO $$\nBEGIN\n PERFORM public.f();\nEND $$')).toThrow(/^0001_test\.sql:4:/);
  });

  it('leaves literals and comments alone, whatever stands in them', () => {
    const text = fc.stringMatching(/^[ -~\n]{0,40}$/).map((noise) => `"public"."x" public. ${noise}`);
    fc.assert(
      fc.property(text, text, text, (inString, inComment, inDollar) => {
        const string = `'${inString.replaceAll("'", "''")}'`;
        const comment = `-- ${inComment.replaceAll('\n', ' ')}\n`;
        const dollar = `$x$${inDollar.replaceAll('$', '')}$x$`;
        const sql = `INSERT INTO "public"."t" VALUES (${string}, ${comment} ${dollar});`;
        expect(rewrite(sql)).toBe(sql.replace('"public".', ''));
      }),
    );
  });

  it('takes public out of what drizzle-kit generated, and only that', async () => {
    const files = (await readdir(fixtures)).filter((file) => file.endsWith('.sql'));
    expect(files).toHaveLength(3);
    let changed = 0;
    for (const file of files) {
      const before = await readFile(`${fixtures}${file}`, 'utf8');
      const after = rewritePublic(before, file);
      const literal = `'see "public"."notes"; -- not SQL'`;
      expect(after.replace(literal, '')).not.toContain('"public"."');
      expect(after.includes(literal)).toBe(before.includes(literal));
      changed += before.length - after.length;
    }
    expect(changed).toBe(17 * '"public".'.length);
  });
});
