import postgres, { type Sql } from 'postgres';
import { failureCode, isConnectionFailure } from '../catalog/catalog-failure.ts';
import { CatalogError, ConfigurationError, TenancyError } from '../errors.ts';

/** A URL for another database, and where given another login, of the same server. */
export function urlFor(url: string, to: { readonly database: string; readonly user?: string; readonly password?: string }): string {
  const target = parseUrl(url);
  target.pathname = `/${encodeURIComponent(to.database)}`;
  if (to.user !== undefined) target.username = encodeURIComponent(to.user);
  if (to.password !== undefined) target.password = encodeURIComponent(to.password);
  return target.href;
}

/** Where a URL leads; the port is PostgreSQL's own unless given. */
export function addressOf(url: string): { readonly host: string; readonly port: number } {
  const parsed = parseUrl(url);
  return { host: parsed.hostname, port: parsed.port === '' ? 5432 : Number(parsed.port) };
}

/** Runs a callback with one session of its own and ends it, whatever happens. */
export async function withClient<T>(url: string, callback: (sql: Sql) => Promise<T>): Promise<T> {
  parseUrl(url);
  const sql = postgres(url, {
    max: 1,
    fetch_types: false,
    connect_timeout: 15,
    onnotice: () => {},
    connection: { application_name: 'tenancy-control' },
  });
  try {
    return await callback(sql);
  } catch (error) {
    throw reachFailure(error, url);
  } finally {
    await sql.end({ timeout: 5 });
  }
}

/** A server that can't be reached or a login that it does not take, said in words; everything else stays what it was. */
function reachFailure(error: unknown, url: string): unknown {
  const code = failureCode(error);
  const login = code === '28P01' || code === '28000';
  if (error instanceof TenancyError || !(login || isConnectionFailure(error))) return error;
  const { host, port } = addressOf(url);
  return new CatalogError(`${host}:${port}${new URL(url).pathname} ${login ? 'refused the login' : 'could not be reached'} (${code}).`, {
    retryable: !login,
    hint: login ? 'Check the login and password of the URL.' : 'Check the URL and that the server is up.',
  });
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new ConfigurationError('A URL of the control plane is not a PostgreSQL URL.', {
      hint: 'Write postgres://login:password@host:port/database.',
    });
  }
  return new URL(url);
}
