import { NotSupportedError } from '../errors.ts';

const plain = /^\s*(?:select|insert|update|delete|with|values)\b/i;

/**
 * MERGE, also behind WITH or EXPLAIN: the word is followed by INTO, or by a comment that may hide it. Where it reads no column of its target,
 * PostgreSQL matches rows that the policies hide and refuses, or acts differently, only when there are some: that counts another tenant's rows.
 */
const merge = /(?<![\w$\u0080-\uffff])merge\s*(?:into|--|\/\*)/i;

/**
 * Commands that would end the unit's transaction, take its connection over, touch the lane's own prepared statements, or reach past the
 * tenant: every login may change its own password and settings, which are all tenants', and LOCK and the planner's statistics know no
 * row-level security.
 */
const refused: ReadonlyMap<string, string> = new Map([
  ...['begin', 'start', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release'].map(
    (command) => [command, 'Transactions belong to the lane: use db.transaction().'] as const,
  ),
  ['prepare', 'Statements are prepared by the lane.'],
  ['execute', 'Statements are prepared by the lane.'],
  ['deallocate', 'Statements are prepared by the lane.'],
  ...['alter', 'drop', 'grant', 'revoke', 'reassign'].map(
    (command) => [command, 'The service login is shared by tenants and owns nothing: change the database in a migration.'] as const,
  ),
  [
    'explain',
    'Its estimates come from every tenant’s rows, past row-level security, and tell their values: explain as the owner, outside the service.',
  ],
  ['lock', 'It would hold the table up for everybody, whoever’s rows are in it: use select … for update.'],
  [
    'copy',
    'To read, use tenancy.sql`select …`.copyTo(). COPY … FROM is refused by PostgreSQL under row-level security: insert rows in batches, or load them as the owner through the control plane.',
  ],
]);

/** Command tags that no statement of a caller may answer: it got past the check, and the lane can't be trusted any more. */
const refusedTags: ReadonlySet<string> = new Set([
  'BEGIN',
  'START TRANSACTION',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT',
  'RELEASE',
  'PREPARE TRANSACTION',
  'COMMIT PREPARED',
  'ROLLBACK PREPARED',
  'PREPARE',
  'DEALLOCATE',
  'DEALLOCATE ALL',
  'DISCARD ALL',
  'COPY',
]);

/** Texts that passed: most come again and again. */
const passed = new Set<string>();
const maxRemembered = 1_000;
const longestRemembered = 10_000;

/**
 * Refuses texts that must not run inside a unit, before anything is sent.
 *
 * @throws {NotSupportedError} for transaction commands, COPY, PREPARE and its kin, ALTER and its kin, EXPLAIN, LOCK, MERGE, and texts with a NUL character
 */
export function checkCommand(text: string, tenantId: string): void {
  if (passed.has(text)) return;
  checkText(text, tenantId);
  checkFirstWord(text, tenantId);
  if (text.length > longestRemembered) return;
  if (passed.size >= maxRemembered) passed.clear();
  passed.add(text);
}

/**
 * The part of the check that holds for every text.
 *
 * @throws {NotSupportedError} for MERGE and texts with a NUL character
 */
export function checkText(text: string, tenantId: string): void {
  if (text.includes('\0')) {
    throw new NotSupportedError(`A statement of tenant ${tenantId} has a NUL character in its text.`, {
      tenantId,
      hint: 'Pass values as parameters.',
    });
  }
  if (merge.test(text)) {
    throw new NotSupportedError(`Tenant ${tenantId} can't run MERGE.`, {
      tenantId,
      hint: 'It matches rows past row-level security: use insert … on conflict do update.',
    });
  }
}

function checkFirstWord(text: string, tenantId: string): void {
  if (plain.test(text)) return;
  const command = firstWord(text);
  const hint = refused.get(command);
  if (hint !== undefined) throw new NotSupportedError(`Tenant ${tenantId} can't run ${command.toUpperCase()}.`, { tenantId, hint });
}

/** Whether a command tag shows that a statement did what {@link checkCommand} refuses. */
export function isRefusedTag(command: string): boolean {
  return refusedTags.has(command);
}

/** The first word in small letters, after white space, semicolons and comments, which nest. */
function firstWord(text: string): string {
  let index = 0;
  for (;;) {
    while (index < text.length && /[\s;]/.test(text[index]!)) index++;
    if (text.startsWith('--', index)) {
      while (index < text.length && text[index] !== '\n' && text[index] !== '\r') index++;
    } else if (text.startsWith('/*', index)) {
      index = afterComment(text, index);
    } else break;
  }
  return /^[a-z_]+/i.exec(text.slice(index, index + 32))?.[0].toLowerCase() ?? '';
}

/** Behind a comment that begins here; comments nest. */
export function afterComment(text: string, start: number): number {
  let depth = 0;
  let index = start;
  do {
    if (text.startsWith('/*', index)) {
      depth++;
      index += 2;
    } else if (text.startsWith('*/', index)) {
      depth--;
      index += 2;
    } else index++;
  } while (depth > 0 && index < text.length);
  return index;
}
