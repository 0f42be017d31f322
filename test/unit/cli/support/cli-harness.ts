import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { type RunCliOptions, runCli } from '../../../../src/cli/run-cli.ts';
import type { ControlPlaneOptions } from '../../../../src/control.ts';
import type { ControlPlane } from '../../../../src/control-plane.ts';
import type { KeyManager } from '../../../../src/kms/key-manager.ts';
import { FakeControlPlane } from './fake-control-plane.ts';

export const password = 'correct-horse-battery';

export const config = `
catalog:
  adminUrl: postgres://admin:\${ADMIN_PASSWORD}@db.example:5432/postgres
clusters:
  - id: eu-1
    region: eu-west-1
    adminUrl: postgres://admin:\${ADMIN_PASSWORD}@db.example:5432/postgres
migrations:
  directory: migrations
kms:
  provider: local
  file: keys.json
  region: eu-west-1
`;

class Captured extends Writable {
  text = '';
  readonly isTTY: boolean;
  columns = 120;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly control: FakeControlPlane;
  readonly options: ControlPlaneOptions | undefined;
  readonly kmsClosed: boolean;
}

export interface CliSetup {
  readonly control?: Partial<ControlPlane>;
  readonly env?: Record<string, string | undefined>;
  readonly files?: Record<string, string>;
  readonly tty?: boolean;
  readonly signal?: AbortSignal;
  readonly createControlPlane?: RunCliOptions['createControlPlane'];
}

/** Runs the CLI in a folder of its own, over a control plane in memory. */
export async function cli(argv: readonly string[], setup: CliSetup = {}): Promise<CliRun> {
  const cwd = await mkdtemp(join(tmpdir(), 'tenancy-cli-'));
  try {
    return await runIn(cwd, argv, setup);
  } finally {
    await rm(cwd, { recursive: true });
  }
}

async function runIn(cwd: string, argv: readonly string[], setup: CliSetup): Promise<CliRun> {
  for (const [name, text] of Object.entries({ 'tenancy.yaml': config, ...setup.files })) await writeFile(join(cwd, name), text);
  const control = Object.assign(new FakeControlPlane(), setup.control);
  const stdout = new Captured(setup.tty ?? false);
  const stderr = new Captured(setup.tty ?? false);
  let options: ControlPlaneOptions | undefined;
  let kmsClosed = false;
  const code = await runCli(argv, {
    stdout,
    stderr,
    cwd,
    version: '9.8.7',
    env: { ADMIN_PASSWORD: password, USER: 'operator', ...setup.env },
    signal: setup.signal,
    createControlPlane:
      setup.createControlPlane ??
      ((given) => {
        options = given;
        return control;
      }),
    createKeyManager: () =>
      ({
        provider: 'local',
        close: async () => {
          kmsClosed = true;
        },
      }) as unknown as KeyManager,
  });
  return { code, stdout: stdout.text, stderr: stderr.text, control, options, kmsClosed };
}

export const tenantFile = (id: string, name = 'A Shop'): string =>
  `tenant:\n  id: ${id}\n  name: "${name}"\n  tier: standard\n  region: eu-west-1\n`;

/** What `--json` promises: exactly one document on stdout, and on stderr nothing but JSON. */
export function documents(run: CliRun): { stdout: Record<string, unknown>; errors: Record<string, unknown>[] } {
  return {
    stdout: run.stdout === '' ? {} : JSON.parse(run.stdout),
    errors: run.stderr
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  };
}
