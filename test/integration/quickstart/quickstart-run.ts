import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { eventually, processesNaming } from '../../support/processes.ts';

const root = join(import.meta.dirname, '../../..');

/** One run of the quickstart as a process of its own, in a folder for temporary files that marks everything it starts. */
export class QuickstartRun implements AsyncDisposable {
  readonly home: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';

  private constructor(home: string, command: readonly [string, ...string[]], env: NodeJS.ProcessEnv = {}) {
    this.home = home;
    const { npm_lifecycle_event: _event, ...rest } = process.env;
    this.#child = spawn(command[0], command.slice(1), {
      cwd: root,
      detached: true,
      env: { ...rest, TMPDIR: home, TSX_DISABLE_CACHE: '1', NODE_OPTIONS: '', FORCE_COLOR: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString();
      });
    }
  }

  static async start(
    args: readonly string[] = [],
    script = 'examples/retail/quickstart.ts',
    env: NodeJS.ProcessEnv = {},
  ): Promise<QuickstartRun> {
    return new QuickstartRun(await marked(), [process.execPath, '--import', 'tsx', join(root, script), ...args], env);
  }

  /** As npm does it: through a shell. What is killed is then the shell. */
  static async startThroughShell(): Promise<QuickstartRun> {
    const line = `"${process.execPath}" --import tsx examples/retail/quickstart.ts; exit $?`;
    return new QuickstartRun(await marked(), ['sh', '-c', line], { npm_lifecycle_event: 'quickstart' });
  }

  /** Everything that it has said, on stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Waits until the output holds this text or the condition is met. */
  async reaches(moment: string | (() => Promise<boolean>)): Promise<void> {
    while (typeof moment === 'string' ? !this.#output.includes(moment) : !(await moment())) {
      expect(this.#child.exitCode, this.#output).toBeNull();
      await sleep(5);
    }
  }

  /** @returns the exit code, null after a signal that it could not catch */
  async exit(): Promise<number | null> {
    await this.#ended;
    return this.#child.exitCode;
  }

  /** Every file that it left behind and every process. */
  async leftovers(): Promise<readonly string[]> {
    return [...(await readdir(this.home)), ...(await processesNaming(this.home))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#ended;
    await eventually(async () => expect(await processesNaming(this.home)).toEqual([]));
    await rm(this.home, { recursive: true, force: true });
  }
}

async function marked(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'quickstart-'));
  await chmod(home, 0o755);
  return home;
}
