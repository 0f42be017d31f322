#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { abortOnSignals } from './abort-on-signals.ts';
import { asksForJson, runCli } from './run-cli.ts';

// A reader that has seen enough, such as `head`, closes the pipe: no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const signal = abortOnSignals(process, () => {
  if (!asksForJson(process.argv.slice(2))) process.stderr.write('\nStopping in order; once more ends at once.\n');
});
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  signal,
  version,
  // Loaded when they are needed, so that --help answers at once.
  createControlPlane: async (options) => (await import('../control.ts')).createControlPlane(options),
  createKeyManager: async (kms) => (await import('./open-key-manager.ts')).openKeyManager(kms),
});
