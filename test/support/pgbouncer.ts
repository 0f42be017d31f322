import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PgBouncer in transaction mode in front of one server, with one server connection for each login and database. */
export interface PgBouncer extends AsyncDisposable {
  readonly port: number;
}

/** PgBouncer's version, or undefined where it isn't installed. */
export function pgbouncerVersion(): string | undefined {
  const answer = spawnSync('pgbouncer', ['--version'], { encoding: 'utf8' });
  return answer.status === 0 ? /PgBouncer (\S+)/.exec(answer.stdout)?.[1] : undefined;
}

/** Starts PgBouncer; it ends when disposed. It refuses to run as root, so as root it runs as nobody. */
export async function startPgBouncer(
  server: { readonly host: string; readonly port: number },
  logins: ReadonlyMap<string, string>,
): Promise<PgBouncer> {
  const folder = await mkdtemp(join(tmpdir(), 'pgbouncer-'));
  const port = await freePort();
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;
  const users = join(folder, 'users.txt');
  const settings = join(folder, 'pgbouncer.ini');
  await writeFile(users, [...logins].map(([user, password]) => `"${user}" "${password}"`).join('\n'));
  await writeFile(
    settings,
    [
      '[databases]',
      `* = host=${server.host} port=${server.port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      'unix_socket_dir =',
      'auth_type = scram-sha-256',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      'default_pool_size = 1',
      'max_client_conn = 100',
      'log_connections = 0',
      'log_disconnections = 0',
    ].join('\n'),
  );
  await chmod(folder, 0o700);
  if (nobody !== undefined) for (const path of [folder, users, settings]) await chown(path, nobody.uid, nobody.gid);
  const child = spawn('pgbouncer', [settings], { stdio: 'ignore', ...nobody });
  const ended = once(child, 'exit');
  await answering(port);
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGINT');
      const timer = setTimeout(() => child.kill('SIGKILL'), 1_000);
      await ended;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}

async function answering(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = connect({ host: '127.0.0.1', port });
    const up = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    });
    socket.destroy();
    if (up) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  throw new Error('PgBouncer did not start.');
}
