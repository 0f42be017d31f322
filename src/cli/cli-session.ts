import { resolve } from 'node:path';
import type { ControlPlane } from '../control-plane.ts';
import { AbortedError } from '../errors.ts';
import type { KeyManager } from '../kms/key-manager.ts';
import { type CliConfig, readCliConfig } from './cli-config.ts';
import type { CliOutput } from './cli-output.ts';
import { type CreateControlPlane, type CreateKeyManager, controlPlaneOptions } from './control-plane-factory.ts';
import { type ExitCode, exitCode } from './exit-code.ts';

/** What one run of the CLI works with. */
export interface CliSessionOptions {
  readonly output: CliOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The folder that relative paths of arguments start from. */
  readonly cwd: string;
  /** Ends the work when the process is asked to stop. */
  readonly signal: AbortSignal;
  readonly createControlPlane: CreateControlPlane;
  readonly createKeyManager: CreateKeyManager;
}

/** One run of the CLI: every command opens the control plane through it and leaves its exit code here. */
export class CliSession {
  readonly output: CliOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly #options: CliSessionOptions;
  #exitCode: ExitCode = exitCode.ok;
  #configPath: string | undefined;

  constructor(options: CliSessionOptions) {
    this.#options = options;
    this.output = options.output;
    this.env = options.env;
    this.signal = options.signal;
  }

  get exitCode(): ExitCode {
    return this.#exitCode;
  }

  /** @param path what `--config` says, if anything */
  useConfig(path: string | undefined): void {
    this.#configPath = path;
  }

  /** An argument's path, made absolute. */
  path(path: string): string {
    return resolve(this.#options.cwd, path);
  }

  /**
   * Runs a command's work with an open control plane and closes it whatever happens.
   *
   * @throws {AbortedError} when the process was asked to stop before the work began
   */
  async withControl(work: (control: ControlPlane, config: CliConfig) => Promise<ExitCode>): Promise<void> {
    const { env, output, createControlPlane, createKeyManager } = this.#options;
    const config = await readCliConfig(this.path(this.#configPath ?? (env['TENANCY_CONFIG'] || 'tenancy.yaml')), env);
    output.maskAlso(config.secrets);
    this.refuseWhenAborted();
    const kms: KeyManager[] = [];
    const keys = { close: async () => void (await Promise.all(kms.map((manager) => manager.close()))) };
    this.#exitCode = await closing(keys, async () => {
      for (const one of config.kms) kms.push(await createKeyManager(one));
      const control = await createControlPlane(controlPlaneOptions(config, kms));
      return await closing(control, () => work(control, config));
    });
  }

  /** @throws {AbortedError} when the process was asked to stop */
  refuseWhenAborted(): void {
    if (this.signal.aborted)
      throw new AbortedError('Interrupted.', { hint: 'What had been finished is kept; running the command again is safe.' });
  }
}

/** Closes after the work. When the work failed, its error is the one to report, whatever closing says. */
async function closing<T>(resource: { close(): Promise<void> }, work: () => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await resource.close().catch(() => {});
    throw error;
  }
  await resource.close();
  return result;
}
