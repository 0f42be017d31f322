import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, TenancyError } from '../errors.ts';
import type { SupervisorRequest } from './embedded-protocol.ts';
import { mayEnter, type ServerAccount, serverAccount } from './server-account.ts';
import { type ServerBinaries, serverBinaries } from './server-binaries.ts';

const PORT_TRIES = 8;
/** How long a stop of each kind may take before the next harder one, in milliseconds. */
const FAST_STOP_MS = 8_000;
const IMMEDIATE_STOP_MS = 4_000;

/** One PostgreSQL server and its files, inside the supervisor's process. `stop` may come at any moment of `start`. */
export class EmbeddedServer {
  readonly #request: SupervisorRequest;
  #account: ServerAccount = {};
  #directory: string | undefined;
  #child: ChildProcess | undefined;

  constructor(request: SupervisorRequest) {
    this.#request = request;
  }

  async start(
    signal: AbortSignal,
  ): Promise<{ port: number; version: string; directory: string; serverPid: number; exited: Promise<unknown> }> {
    this.#account = await serverAccount();
    signal.throwIfAborted();
    const directory = await this.#makeDirectory();
    signal.throwIfAborted();
    const binaries = await serverBinaries(this.#request.native, this.#account, join(directory, 'native'));
    signal.throwIfAborted();
    await this.#initialise(binaries, directory, signal);
    for (let tries = 1; ; tries += 1) {
      const port = await freePort();
      signal.throwIfAborted();
      const child = await this.#launch(binaries, directory, port);
      if (await isReady(child, directory, signal)) {
        return { port, version: binaries.version, directory, serverPid: child.pid!, exited: exitOf(child) };
      }
      const log = await tail(join(directory, 'server.log'));
      // Another process may have taken the port since it was found free.
      if (tries < PORT_TRIES && /could not bind|address already in use/i.test(log)) continue;
      throw new TenancyError(`The embedded PostgreSQL did not start. Its log ends: ${log}`);
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child?.pid !== undefined) {
      // The main process first, so that a server shuts down in order; then whatever initdb had started.
      for (const [signal, ms] of [
        ['SIGINT', FAST_STOP_MS],
        ['SIGQUIT', IMMEDIATE_STOP_MS],
        ['SIGKILL', IMMEDIATE_STOP_MS],
      ] as const) {
        if (isOver(child)) break;
        child.kill(signal);
        await Promise.race([exitOf(child), sleep(ms)]);
      }
      await killGroup(child.pid);
    }
    if (this.#directory === undefined) return;
    if (this.#request.keep) await rm(join(this.#directory, 'native'), { recursive: true, force: true });
    else await rm(this.#directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }

  async #makeDirectory(): Promise<string> {
    const asked = this.#request.directory;
    if (asked === undefined) {
      this.#directory = await mkdtemp(join(await this.#temporaryRoot(), 'tenancy-pg-'));
    } else {
      const made = await mkdir(asked, { recursive: true });
      if (made === undefined && (await readdir(asked)).length > 0) {
        throw new ConfigurationError(`The folder ${asked} for the embedded cluster is not empty.`, { hint: 'Name a new one.' });
      }
      this.#directory = asked;
      if (!(await mayEnter(this.#account, join(asked, '..')))) {
        throw new ConfigurationError(`The account that runs PostgreSQL may not enter the folder above ${asked}.`, {
          hint: 'Name a folder that every account can reach, or leave `directory` out.',
        });
      }
    }
    await chmod(this.#directory, 0o700);
    await this.#give(this.#directory);
    return this.#directory;
  }

  async #temporaryRoot(): Promise<string> {
    for (const root of [tmpdir(), '/tmp', '/var/tmp']) {
      if (await mayEnter(this.#account, root).catch(() => false)) return root;
    }
    throw new ConfigurationError('No folder for temporary files can be entered by the account that runs PostgreSQL.', {
      hint: 'Set TMPDIR to one, or name a `directory`.',
    });
  }

  async #give(path: string): Promise<void> {
    if (this.#account.uid !== undefined) await chown(path, this.#account.uid, this.#account.gid!);
  }

  async #initialise(binaries: ServerBinaries, directory: string, signal: AbortSignal): Promise<void> {
    const passwordFile = join(directory, 'password');
    await writeFile(passwordFile, `${this.#request.password}\n`, { mode: 0o600 });
    await this.#give(passwordFile);
    signal.throwIfAborted();
    const child = await this.#spawn(binaries.initdb, directory, [
      `--pgdata=${join(directory, 'data')}`,
      '--username=postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-locale',
      '--no-instructions',
      ...(this.#request.durable ? [] : ['--no-sync']),
    ]);
    if ((await exitOf(child, signal)) !== 0)
      throw new TenancyError(`initdb of the embedded PostgreSQL failed: ${await tail(join(directory, 'server.log'))}`);
    await rm(passwordFile);
  }

  #launch(binaries: ServerBinaries, directory: string, port: number): Promise<ChildProcess> {
    const settings: Record<string, string> = {
      listen_addresses: '127.0.0.1',
      port: String(port),
      unix_socket_directories: '',
      max_connections: '300',
      timezone: 'UTC',
      log_timezone: 'UTC',
      ...(this.#request.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
      ...this.#request.settings,
    };
    return this.#spawn(binaries.postgres, directory, [
      '-D',
      join(directory, 'data'),
      ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    ]);
  }

  /** In a process group of its own: initdb starts further processes, which a stop must reach as well. */
  async #spawn(program: string, directory: string, args: readonly string[]): Promise<ChildProcess> {
    const log = await open(join(directory, 'server.log'), 'w');
    try {
      const child = spawn(program, args, {
        ...this.#account,
        cwd: directory,
        detached: true,
        env: environment(),
        stdio: ['ignore', log.fd, log.fd],
      });
      this.#child = child;
      await once(child, 'spawn');
      return child;
    } finally {
      await log.close();
    }
  }
}

/** PG… variables of the caller (PGDATA, PGPORT) must not steer this server, and messages must come untranslated. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => ['PATH', 'TMPDIR', 'LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH'].includes(name));
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' };
}

/** Its exit code, null after a signal; also when it has exited already and the event is past. */
async function exitOf(child: ChildProcess, signal?: AbortSignal): Promise<number | null> {
  if (!isOver(child)) await once(child, 'exit', signal === undefined ? {} : { signal });
  return child.exitCode;
}

function isOver(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Waits until the server says in postmaster.pid that it takes connections (what pg_ctl does); false when it exited before. */
async function isReady(child: ChildProcess, directory: string, signal: AbortSignal): Promise<boolean> {
  while (!isOver(child)) {
    const lines = (await readFile(join(directory, 'data', 'postmaster.pid'), 'utf8').catch(() => '')).split('\n');
    if (lines[0] === String(child.pid) && lines[7]?.trim() === 'ready') return true;
    await sleep(15, undefined, { signal });
  }
  return false;
}

async function killGroup(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      return;
    }
    await sleep(10);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function tail(file: string): Promise<string> {
  return (await readFile(file, 'utf8').catch(() => '')).trim().split('\n').slice(-5).join(' | ');
}
