import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCliConfig } from '../../../src/cli/cli-config.ts';
import { controlPlaneOptions } from '../../../src/cli/control-plane-factory.ts';
import { exitCode } from '../../../src/cli/exit-code.ts';
import { defaultTiers } from '../../../src/tenant/tier.ts';
import { cli } from './support/cli-harness.ts';

const document = await readFile(join(import.meta.dirname, '../../../docs/cli.md'), 'utf8');
const optionsIn = (text: string): readonly string[] =>
  [...text.matchAll(/^ *(?:\| `)?((?:-\w, )?--[\w-]+(?: <\w+>)?)/gm)].map(([, option]) => option!).sort();

/** `tenancy tenant list` → its arguments, and the section about it. */
const commands = [...document.matchAll(/^### `tenancy ([^`]+)`\n([\s\S]*?)(?=^##)/gm)].map(([, call, text]) => ({
  argv: call!.split(' ').filter((word) => !/^[<[]/.test(word)),
  call: call!,
  text: text!,
}));

test('the annotated configuration file can be used as it stands', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cli-docs-'));
  try {
    const [, yaml] = /```yaml\n([\s\S]*?)```/.exec(document)!;
    await writeFile(join(folder, 'tenancy.yaml'), yaml!);
    const config = await readCliConfig(join(folder, 'tenancy.yaml'), { CATALOG_PASSWORD: 'catalog-password', US_PASSWORD: 'us-password' });
    expect(config.clusters.map(({ id }) => id)).toEqual(['us-1', 'us-1-dedicated']);
    expect(config.migrations).toEqual({ directory: join(folder, 'migrations'), reference: join(folder, 'reference') });
    expect(config.secrets).toEqual(['catalog-password', 'us-password']);
    expect(controlPlaneOptions(config, []).tiers).toEqual(defaultTiers);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('every command is told of, with its arguments and options and no other', async () => {
  const globals = optionsIn(document.slice(0, document.indexOf('### Exit codes')));
  const root = (await cli(['--help'])).stdout;
  expect(optionsIn(root)).toEqual(globals);
  for (const { argv, call, text } of commands) {
    const help = await cli([...argv, '--help']);
    expect(help.code, call).toBe(0);
    expect(help.stdout).toContain(`Usage: tenancy ${argv.join(' ')} [options]${call.slice(argv.join(' ').length)}\n`);
    expect([...optionsIn(text), ...globals].sort(), call).toEqual([...optionsIn(help.stdout)].sort());
  }
  const told = commands.map(({ argv }) => argv.join(' ')).sort();
  const offered = await commandsUnder([]);
  expect(told).toEqual([...offered].sort());
});

test('every exit code is told of', () => {
  for (const code of Object.values(exitCode)) expect(document).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
});

/** All commands that do something, found through help. */
async function commandsUnder(argv: readonly string[]): Promise<readonly string[]> {
  const [, list] = /^Commands:\n((?: {2}.*\n)+)/m.exec((await cli([...argv, '--help'])).stdout) ?? [];
  if (list === undefined) return [argv.join(' ')];
  const names = [...list.matchAll(/^ {2}([\w-]+)/gm)].map(([, name]) => name!).filter((name) => name !== 'help');
  return (await Promise.all(names.map(async (name) => await commandsUnder([...argv, name])))).flat();
}
