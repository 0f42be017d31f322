import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/** How a process of the CLI ended and what it wrote. */
export interface CliEnd {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A process of the CLI that runs. */
export interface CliProcess {
  readonly ended: Promise<CliEnd>;
  readonly stderr: () => string;
  kill(signal: 'SIGINT' | 'SIGTERM'): void;
}

/** What a run may change about its process. */
export interface CliRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Whether the process takes its streams for terminals. */
  readonly terminal?: boolean;
}

/**
 * The package as it is installed, built into a folder of its own: what users run, and no other build of the working tree gets in the way.
 */
export class InstalledCli implements AsyncDisposable {
  readonly folder: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #running = new Set<() => void>();
  /** All that any process wrote, but for what was told to print secrets. */
  readonly written: string[] = [];

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#env = env;
  }

  /** @param env the variables that every process sees besides PATH */
  static async install(env: Readonly<Record<string, string>>): Promise<InstalledCli> {
    const folder = await mkdtemp(join(tmpdir(), 'tenancy-installed-'));
    const installed = new InstalledCli(folder, env);
    try {
      const place = join(folder, 'package');
      await mkdir(place);
      for (const shipped of ['package.json', 'migrations', 'rls-policies'])
        await cp(join(root, shipped), join(place, shipped), { recursive: true });
      await symlink(join(root, 'node_modules'), join(place, 'node_modules'));
      const compiler = join(root, 'node_modules/typescript/bin/tsc');
      // Types are the type check's matter; without them the build takes a fraction of the time.
      const build = await installed.#spawn(
        [compiler, '-p', join(root, 'tsconfig.build.json'), '--noCheck', '--outDir', join(place, 'dist')],
        {},
      ).ended;
      if (build.code !== 0) throw new Error(`The build failed:\n${build.stdout}${build.stderr}`);
      return installed;
    } catch (error) {
      await installed[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs one command to its end. */
  async run(argv: readonly string[], options: CliRunOptions = {}): Promise<CliEnd> {
    return await this.start(argv, options).ended;
  }

  /** Runs one command with `--json`: stdout is one document or empty, stderr one document a line. */
  async json(
    argv: readonly string[],
  ): Promise<{ readonly code: number | null; readonly result: unknown; readonly errors: readonly unknown[] }> {
    const { code, stdout, stderr } = await this.run([...argv, '--json']);
    return { code, ...documentsIn(stdout, stderr) };
  }

  start(argv: readonly string[], options: CliRunOptions = {}): CliProcess {
    const started = this.#spawn(
      [...(options.terminal === true ? asTerminal : []), join(this.folder, 'package/dist/cli/main.js'), ...argv],
      options.env ?? {},
    );
    if (!argv.includes('--show-secrets'))
      started.ended.then(
        ({ stdout, stderr }) => this.written.push(stdout, stderr),
        () => {},
      );
    return started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#running) end();
    await rm(this.folder, { recursive: true, force: true });
  }

  #spawn(argv: readonly string[], env: Readonly<Record<string, string>>): CliProcess {
    const child = spawn(process.execPath, argv, {
      cwd: this.folder,
      env: { PATH: process.env['PATH'] ?? '', ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = (): void => void child.kill('SIGKILL');
    this.#running.add(end);
    const text = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].setEncoding('utf8').on('data', (chunk: string) => {
        text[stream] += chunk;
      });
    const ended = once(child, 'close').then(([code]): CliEnd => {
      this.#running.delete(end);
      return { code: code as number | null, ...text };
    });
    return { ended, stderr: () => text.stderr, kill: (signal) => void child.kill(signal) };
  }
}

/** What `--json` promises: exactly one document on stdout, or none after an error, and on stderr a document a line. */
export function documentsIn(stdout: string, stderr: string): { readonly result: unknown; readonly errors: readonly unknown[] } {
  return {
    result: stdout === '' ? undefined : JSON.parse(stdout),
    errors: stderr
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as unknown),
  };
}

const asTerminal = ['--import', 'data:text/javascript,process.stdout.isTTY=true;process.stderr.isTTY=true'];
