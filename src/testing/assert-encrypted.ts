import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { eq, type SQL, sql } from 'drizzle-orm';
import type { PgTable } from 'drizzle-orm/pg-core';
import { columnOverhead, encryptValue, keyVersionOf } from '../crypto/column-codec.ts';
import { newDataKey } from '../crypto/data-key.ts';
import { LocalTenantKeys } from '../crypto/local-tenant-keys.ts';
import { columnsOf, originalNameOf } from '../database/drizzle-internals.ts';
import { EncryptedColumn } from '../database/encrypted-column.ts';
import { isTenantTable } from '../database/table-kind.ts';
import { DecryptionError, IsolationError, type IsolationFinding } from '../errors.ts';
import type { Tenancy } from '../tenancy.ts';

type Service = Pick<Tenancy<Record<string, unknown>>, 'run' | 'db'>;
type Db = Service['db'];

/** What {@link assertEncrypted} takes: a platform of `createTestPlatform`, or any service's tenancy. */
export type EncryptedTarget = Service | { readonly tenancy: Service };

/** What {@link assertEncrypted} tried. */
export interface EncryptedReport {
  /** `table.column` of every column that was tried. */
  readonly columns: readonly string[];
  /** Those that are not bound to their row: values can be swapped between rows of one tenant by who writes past the library. */
  readonly unbound: readonly string[];
  /** Those that take over a plaintext column and still write plaintext: there is no ciphertext to try. */
  readonly plaintext: readonly string[];
  /** Changed or moved ciphertexts, none of which opened. */
  readonly checked: number;
}

interface Site {
  readonly label: string;
  readonly table: PgTable;
  readonly key: string;
  readonly column: EncryptedColumn;
}

/**
 * Tries on every encrypted column of the service's schema what somebody could do who writes to the tables past the library: puts a
 * ciphertext of another tenant, table, column, row (where the column is bound to it) or key version into a row, or one whose key is gone, or
 * a shortened one, or one with a bit flipped. Each must be the same {@link DecryptionError}, and audited. For a test after your migrations. It
 * writes into one row of each table, two where a column is bound to its row, in transactions that are rolled back; only the audit entries stay.
 *
 * @param tenants two tenants, each with a row in every table that has encrypted columns; the first with two where a column is bound to its
 *   row
 * @throws {IsolationError} listing what opened or was not audited, what could not be tried, or that there is no encrypted column
 * @example
 * ```ts
 * test('no ciphertext opens anywhere but in its place', async () => {
 *   await assertEncrypted(platform, ['acme', 'globex']);
 * });
 * ```
 */
export async function assertEncrypted(target: EncryptedTarget, tenants: readonly [string, string]): Promise<EncryptedReport> {
  const service = 'tenancy' in target ? target.tenancy : target;
  const [own, other] = tenants;
  const all = await service.run(own, () => sitesOf(service.db));
  const sites = all.filter(({ column }) => column.adoption?.write !== 'plaintext');
  const findings: IsolationFinding[] = [];
  if (all.length === 0) findings.push(finding('encrypted-none', 'schema', 'It has no encrypted column.', 'Give the schema that has them.'));
  if (own === other) findings.push(finding('encrypted-untried', 'tenants', 'They are one tenant.', 'Name two.'));
  const ours = await samplesOf(service, own, sites, findings);
  const theirs = await samplesOf(service, other, sites, findings);
  const bound = sites.filter(({ column }) => column.boundTo !== undefined);
  const neighbours = await samplesOf(service, own, bound, findings, 1);
  let checked = 0;
  if (findings.length === 0) {
    for (const site of sites) {
      const moved = sites
        .filter((from) => from !== site)
        .map((from): Attempt => [`the ciphertext of ${from.label}`, ours.get(from)!.bytes]);
      const attempts: Attempt[] = [
        [`the ciphertext of tenant ${other}`, theirs.get(site)!.bytes],
        ['one whose key is gone', underLostKey(own, site, ours.get(site)!)],
        ...moved,
        ...changedForms(ours.get(site)!.bytes),
      ];
      const neighbour = neighbours.get(site);
      if (neighbour !== undefined) attempts.push(['the ciphertext of another row', neighbour.bytes]);
      checked += attempts.length;
      await rolledBack(service, own, async (db) => await tryAll(db, site, attempts, findings));
    }
  }
  if (findings.length > 0) {
    const lines = findings.map(({ id, location, message, remedy }) => `  ${id} ${location}: ${message} ${remedy}`);
    throw new IsolationError(`Encrypted columns do not hold:\n${lines.join('\n')}`, { findings });
  }
  const labels = (of: readonly Site[]): readonly string[] => of.map(({ label }) => label);
  return {
    columns: labels(sites),
    unbound: labels(sites.filter((site) => !bound.includes(site))),
    plaintext: labels(all.filter((site) => !sites.includes(site))),
    checked,
  };
}

type Attempt = readonly [what: string, bytes: Buffer];

function sitesOf(db: Db): Site[] {
  return Object.values(db._.fullSchema ?? {}).flatMap((table) =>
    isTenantTable(table)
      ? Object.entries(columnsOf(table)).flatMap(([key, column]) =>
          column instanceof EncryptedColumn ? [{ label: `${originalNameOf(table)}.${column.name}`, table, key, column }] : [],
        )
      : [],
  );
}

/** A ciphertext of each column, made by the service in a row of the tenant's: the first, or of bound columns another. */
async function samplesOf(
  service: Service,
  tenant: string,
  sites: readonly Site[],
  findings: IsolationFinding[],
  nth: 0 | 1 = 0,
): Promise<ReadonlyMap<Site, Written>> {
  const samples = new Map<Site, Written>();
  await rolledBack(service, tenant, async (db) => {
    for (const site of sites) {
      const written = await writeSample(db, site, nth);
      const row = nth === 0 ? 'row' : 'second row';
      if (written !== undefined) samples.set(site, written);
      else findings.push(finding('encrypted-untried', site.label, `Tenant ${tenant} has no ${row} there.`, 'Insert one before the test.'));
    }
  });
  return samples;
}

interface Written {
  readonly at: string;
  readonly bytes: Buffer;
  readonly value: unknown;
  /** What a bound column's value is bound to. */
  readonly rowId: string | undefined;
}

async function writeSample(db: Db, { table, key, column }: Site, nth = 0): Promise<Written | undefined> {
  const row = await rowOf(db, table, column, nth);
  if (row === undefined) return undefined;
  const { condition, rowId } = row;
  const value = sampleOf(column);
  const [written] = await db
    .update(table)
    .set({ [key]: value } as never)
    .where(condition)
    .returning({ at: sql<string>`ctid::text` });
  const { at } = written as { at: string };
  const [stored] = (await db.execute(
    sql`select ${sql.identifier(column.name)} as bytes from ${table} where ctid = ${at}::tid`,
  )) as unknown as { bytes: Buffer }[];
  return { at, bytes: stored!.bytes, value, rowId };
}

interface Row {
  readonly condition: SQL;
  readonly rowId: string | undefined;
}

/** A condition that one row meets; a bound column is written to no other. */
async function rowOf(db: Db, table: PgTable, { rowIdColumn }: EncryptedColumn, nth: number): Promise<Row | undefined> {
  if (rowIdColumn === undefined) {
    const [row] = (await db.execute(sql`select ctid::text as at from ${table} limit 1`)) as unknown as { at: string }[];
    return row && { condition: sql`ctid = ${row.at}::tid`, rowId: undefined };
  }
  const [row] = await db.select({ id: rowIdColumn }).from(table).orderBy(rowIdColumn).limit(1).offset(nth);
  return row && { condition: eq(rowIdColumn, row.id), rowId: String(row.id) };
}

/** One of these plaintexts is of every format: text, JSON and bytes; a double and an integer of 8 bytes. */
function sampleOf({ format }: EncryptedColumn): unknown {
  try {
    return format.decode(Buffer.from(JSON.stringify(`sample-${randomUUID()}`)));
  } catch {
    return format.decode(Buffer.concat([Buffer.alloc(4), Buffer.from(randomUUID().replaceAll('-', ''), 'hex').subarray(0, 4)]));
  }
}

/** Made for its place, of a version that the tenant has, under a key that nobody has any more. */
function underLostKey(tenantId: string, { column }: Site, { bytes, rowId }: Written): Buffer {
  const currentVersion = keyVersionOf(bytes);
  const dataKeys = new Map([[currentVersion, newDataKey()]]);
  const keys = new LocalTenantKeys({ tenantId, currentVersion, dataKeys, indexSecret: newDataKey() });
  return encryptValue(keys, column.place(rowId), column.format.encode(sampleOf(column))!, column.padTo);
}

/** One flipped bit in each of the format's fields, another key version, a byte less at either end, a byte more. */
function changedForms(bytes: Buffer): Attempt[] {
  const flipped = (at: number): Buffer => {
    const changed = Buffer.from(bytes);
    changed[at]! ^= 1;
    return changed;
  };
  const fields: Record<string, number> = { format: 0, flags: 1, nonce: 6, commitment: 30, ciphertext: 62, tag: bytes.byteLength - 1 };
  return [
    ...Object.entries(fields).map(([field, at]): Attempt => [`one with a bit of its ${field} flipped`, flipped(at)]),
    ['one of another key version', flipped(5)],
    ['one without its last byte', bytes.subarray(0, -1)],
    ['one without its first byte', bytes.subarray(1)],
    ['one with a byte more', Buffer.concat([bytes, Buffer.of(0)])],
    ['one of its first bytes only', bytes.subarray(0, columnOverhead - 1)],
  ];
}

async function tryAll(db: Db, site: Site, attempts: readonly Attempt[], findings: IsolationFinding[]): Promise<void> {
  const { table, column, label } = site;
  const written = (await writeSample(db, site))!;
  let { at } = written;
  const put = async (bytes: Buffer): Promise<void> => {
    const [row] = (await db.execute(
      sql`update ${table} set ${sql.identifier(column.name)} = ${bytes} where ctid = ${at}::tid returning ctid::text as at`,
    )) as unknown as { at: string }[];
    at = row!.at;
  };
  const read = async (): Promise<unknown> => {
    const [row] = await db
      .select({ value: column as never })
      .from(table)
      .where(sql`ctid = ${at}::tid`);
    return (row as { value: unknown }).value;
  };
  const messages = new Set<string>();
  for (const [what, bytes] of attempts) {
    await put(bytes);
    const error = await read().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof DecryptionError)) {
      const how = error === undefined ? 'opened' : 'failed with another error than DecryptionError';
      findings.push(finding('encrypted-swap', label, `There, ${what} ${how}.`, 'Read and write the column with this library only.'));
      continue;
    }
    messages.add(error.message);
    if (error.auditId === undefined)
      findings.push(
        finding('encrypted-silent', label, `There, ${what} was refused without an audit entry.`, 'See that the audit log can be written.'),
      );
  }
  if (messages.size > 1)
    findings.push(finding('encrypted-oracle', label, 'Its errors tell why a ciphertext did not open.', 'Report this as a defect.'));
  // What is refused says nothing where nothing is ever accepted.
  await put(written.bytes);
  const opened: unknown = await read().catch(() => undefined);
  if (!isDeepStrictEqual(opened, written.value))
    findings.push(
      finding(
        'encrypted-control',
        label,
        'Its own ciphertext does not open.',
        'See that the column in the database is bytea and no trigger changes it.',
      ),
    );
}

class RolledBack extends Error {}

async function rolledBack(service: Service, tenant: string, work: (db: Db) => Promise<void>): Promise<void> {
  await service.run(tenant, async () => {
    try {
      await service.db.transaction(async (tx) => {
        await work(tx as unknown as Db);
        throw new RolledBack();
      });
    } catch (error) {
      if (!(error instanceof RolledBack)) throw error;
    }
  });
}

function finding(id: string, location: string, message: string, remedy: string): IsolationFinding {
  return { id, severity: 'critical', location, message, remedy };
}
