import { ConfigurationError } from '../errors.ts';

/** Settings of a server for tests, as in postgresql.conf: `{ max_connections: 50, log_statement: 'all' }`. */
export type ServerSettings = Readonly<Record<string, string | number | boolean>>;

/** What the one who starts the server decides, not the one who uses it. */
const RESERVED = ['port', 'listen_addresses', 'unix_socket_directories', 'data_directory'];

/**
 * Settings as the server's command line takes them (`-c name=value`).
 *
 * @throws {ConfigurationError} for a name that is none, or that belongs to the server's address and folders
 */
export function serverSettings(settings: ServerSettings): Record<string, string> {
  for (const name of Object.keys(settings)) {
    if (!/^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$/i.test(name) || RESERVED.includes(name.toLowerCase())) {
      throw new ConfigurationError(`The setting ${JSON.stringify(name)} can't be given to a cluster for tests.`, {
        hint: `Its address and folders are its own (${RESERVED.join(', ')}); other names are those of postgresql.conf.`,
      });
    }
  }
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [name, typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value)]),
  );
}
