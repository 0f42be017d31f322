import postgres, { type Sql } from 'postgres';
import { ConfigurationError } from '../errors.ts';

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
  } finally {
    await sql.end({ timeout: 5 });
  }
}

function parseUrl(url: string): URL {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    throw new ConfigurationError('A URL of the control plane is not a PostgreSQL URL.', {
      hint: 'Write postgres://login:password@host:port/database.',
    });
  }
  return new URL(url);
}
