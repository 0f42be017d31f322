import { NotSupportedError } from '../errors.ts';
import type { TransactionOptions, UnitContext } from './lane.ts';

/** Two statements rather than one with both, so that ORM units keep one prepared text. */
const contextText = "select pg_catalog.set_config('tenancy.context', $1, true)";
export const pathText = "select pg_catalog.set_config('search_path', $1, true)";

const pathPart = "pg_catalog.set_config('search_path', $2, true)";
const namePart = (position: number): string => `pg_catalog.set_config('application_name', $${position}, true)`;
const contextAndPathText = `${contextText}, ${pathPart}`;
const contextAndNameText = `${contextText}, ${namePart(2)}`;
const contextPathAndNameText = `${contextText}, ${pathPart}, ${namePart(3)}`;

/** What sets a unit's context, and the settings that it asks for beside it. */
export function contextMessage(
  { searchPath, applicationName }: Pick<UnitContext, 'searchPath' | 'applicationName'>,
  token: string,
): { readonly text: string; readonly params: readonly string[] } {
  if (applicationName === undefined)
    return searchPath === undefined ? { text: contextText, params: [token] } : { text: contextAndPathText, params: [token, searchPath] };
  return searchPath === undefined
    ? { text: contextAndNameText, params: [token, applicationName] }
    : { text: contextPathAndNameText, params: [token, searchPath, applicationName] };
}

/**
 * Begins what may read `lastval()`: a tenant's insert is no reason to clean its session, but the number that it drew must not be the next
 * tenant's to see.
 */
export const beginCleanText = 'begin; discard sequences';

/**
 * `random()` goes on from where a tenant left it, or from a seed that it chose: whoever knows the state knows what the next tenant draws, and
 * what the one before drew. PostgreSQL's own RESET and DISCARD leave it. From 48 bits of its strong source, as a number from -1 to 1.
 */
const reseed =
  "select pg_catalog.setseed((('x' || pg_catalog.translate(pg_catalog.left(pg_catalog.gen_random_uuid()::text, 13), '-', ''))::bit(48)::bigint / 140737488355328.0 - 1)::float8)";

/**
 * What `discard all` does, less dropping the lane's own prepared statements, which would break it. Says how many statements were
 * prepared by SQL: one with the name of a statement of ours would run in its place, under the next tenant, so such a lane is dropped.
 */
const discard = [
  'select pg_catalog.pg_advisory_unlock_all(), (select pg_catalog.count(*) from pg_catalog.pg_prepared_statements where from_sql) as prepared',
  'set session authorization default',
  'reset all',
  reseed,
  'close all',
  'unlisten *',
  'discard sequences',
  'discard temp',
].join('; ');

/**
 * The message or messages that end a transaction. Cleaning is a message of its own, so that it also runs after a COMMIT that failed;
 * behind a pooler in transaction mode it must share the COMMIT's message, because the next one may go to another server connection.
 */
export function endTexts(command: 'commit' | 'rollback', raw: boolean, pooled: boolean): readonly string[] {
  if (!raw) return [command];
  return pooled ? [`${command}; ${discard}`] : [command, discard];
}

const isolationLevels: ReadonlySet<string> = new Set(['read committed', 'repeatable read', 'serializable']);
const accessModes: ReadonlySet<string> = new Set(['read write', 'read only']);

/** @throws {NotSupportedError} when an option is none of PostgreSQL's words: it becomes statement text */
export function beginText(options: TransactionOptions, tenantId: string): string {
  const { isolationLevel, accessMode, deferrable } = options;
  if (isolationLevel !== undefined && !isolationLevels.has(isolationLevel)) throw unknown('isolation level', tenantId);
  if (accessMode !== undefined && !accessModes.has(accessMode)) throw unknown('access mode', tenantId);
  return [
    'begin',
    isolationLevel === undefined ? '' : ` isolation level ${isolationLevel}`,
    accessMode === undefined ? '' : ` ${accessMode}`,
    deferrable === undefined ? '' : deferrable ? ' deferrable' : ' not deferrable',
    '; discard sequences',
  ].join('');
}

function unknown(what: string, tenantId: string): NotSupportedError {
  return new NotSupportedError(`A transaction of tenant ${tenantId} asks for an unknown ${what}.`, { tenantId });
}
