import { readFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

/** Where a run took place, and how long its rounds were. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  /** The load of the last minute when the run began: above zero, others were at work. */
  readonly loadBefore: number;
  readonly node: string;
  readonly postgresql: string;
  readonly packages: Readonly<Record<string, string>>;
}

const measured = ['postgres', 'drizzle-orm', 'pg', 'drizzle-multitenant'] as const;

/** @param loadBefore see {@link Machine.loadBefore} */
export async function describeMachine(postgresql: string, loadBefore: number): Promise<Machine> {
  const processors = cpus();
  const packages: Record<string, string> = {};
  for (const name of measured) packages[name] = await versionOf(name);
  return {
    cpu: processors[0]?.model.trim() ?? 'unknown',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    loadBefore: Math.round(loadBefore * 100) / 100,
    node: process.versions.node,
    postgresql,
    packages,
  };
}

/** Read from the file, since most packages do not export their package.json. */
async function versionOf(name: string): Promise<string> {
  const text = await readFile(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
