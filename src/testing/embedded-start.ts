import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ConfigurationError, TenancyError } from '../errors.ts';
import type { SupervisorReport, SupervisorRequest } from './embedded-protocol.ts';

/** The process that owns an embedded PostgreSQL, seen from the one that wants it. */
export type Supervisor = ChildProcessByStdio<Writable, Readable, Readable>;

/** Starts a supervisor in a session of its own (detached), so that a signal to this process's group passes it by. */
export function spawnSupervisor(): Supervisor {
  const self = fileURLToPath(import.meta.url);
  const file = join(dirname(self), `embedded-supervisor${extname(self)}`);
  // From sources the supervisor is TypeScript, which Node 20 can't read by itself.
  const loader = extname(self) === '.ts' ? ['--import', pathToFileURL(createRequire(self).resolve('tsx')).href] : [];
  const { NODE_OPTIONS: _options, NODE_V8_COVERAGE: _coverage, ...env } = process.env;
  const supervisor = spawn(process.execPath, [...loader, file], { detached: true, env, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
  supervisor.stdin.on('error', () => {}); // It may be gone before the request is written; its exit tells.
  return supervisor;
}

/** Sends the request and answers with the first report, or undefined when the supervisor ended without a word. */
export async function firstReport(supervisor: Supervisor, request: SupervisorRequest): Promise<SupervisorReport | undefined> {
  supervisor.stdin.write(`${JSON.stringify(request)}\n`);
  for await (const line of createInterface({ input: supervisor.stdout })) return JSON.parse(line) as SupervisorReport;
  return undefined;
}

/** The error for a start that did not end in a ready server. */
export function supervisorFailure(report: SupervisorReport | undefined, supervisor: Supervisor): TenancyError {
  if (report?.kind === 'failed') {
    return report.code === 'CONFIGURATION' ? new ConfigurationError(report.message) : new TenancyError(report.message);
  }
  const said = String(supervisor.stderr.read() ?? '')
    .trim()
    .split('\n')
    .slice(-3)
    .join(' | ');
  return new TenancyError(`The supervisor of the embedded cluster ended before the server was ready. ${said}`.trim());
}
