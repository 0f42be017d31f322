import type { Command } from 'commander';
import { ConfigurationError } from '../../errors.ts';
import type { ProvisionReport, ProvisionStep } from '../../provision/provision-report.ts';
import type { TenantConfig } from '../../tenant/tenant-config.ts';
import { readTenantConfig } from '../../tenant/tenant-config-file.ts';
import { actorOf } from '../actor.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCodeOf } from '../error-report.ts';
import { exitCode } from '../exit-code.ts';
import type { ProgressBar } from '../progress-bar.ts';
import type { Column } from '../table.ts';

interface CreateOptions {
  readonly cluster?: string;
  readonly actor?: string;
  readonly keepGoing?: boolean;
}

/** What became of one file. */
interface CreateOutcome {
  readonly file: string;
  readonly tenantId: string;
  readonly outcome: 'created' | 'unchanged' | 'failed' | 'skipped';
  readonly placement: ProvisionReport['placement'] | null;
  readonly durationMs: number | null;
  readonly error: unknown;
}

const steps: readonly ProvisionStep[] = ['record', 'keys', 'database', 'schema', 'migrate', 'policies', 'activate'];

/** `tenancy tenant create`: onboards tenants from their configuration files; all files are checked before anything is made. */
export function addTenantCreate(parent: Command, session: CliSession): void {
  parent
    .command('create')
    .description('onboard tenants from their YAML or JSON files')
    .argument('<file...>', 'tenant configuration files')
    .option('--cluster <id>', 'place them on this cluster instead of choosing one')
    .option('--actor <name>', 'who does this, for the audit (TENANCY_ACTOR, or the user)')
    .option('--keep-going', 'go on with the other files when one fails')
    .action(async (files: readonly string[], options: CreateOptions) => {
      const configs = await readAll(session, files);
      await session.withControl(async (control) => {
        const outcomes: CreateOutcome[] = [];
        using bar = session.output.progress('tenants');
        for (const [index, { file, config }] of configs.entries()) {
          const failed = outcomes.find(({ outcome }) => outcome === 'failed');
          if (session.signal.aborted || (failed !== undefined && options.keepGoing !== true)) {
            outcomes.push({ file, tenantId: config.id, outcome: 'skipped', placement: null, durationMs: null, error: null });
            continue;
          }
          try {
            const report = await control.provision(config, {
              clusterId: options.cluster,
              actor: options.actor ?? actorOf(session.env),
              signal: session.signal,
              onStep: (step) => showStep(bar, index, configs.length, config.id, step),
            });
            outcomes.push({
              file,
              tenantId: config.id,
              outcome: report.created ? 'created' : 'unchanged',
              placement: report.placement,
              durationMs: report.durationMs,
              error: null,
            });
          } catch (error) {
            outcomes.push({ file, tenantId: config.id, outcome: 'failed', placement: null, durationMs: null, error });
          }
        }
        bar[Symbol.dispose]();
        session.output.result({ tenants: outcomes }, () => session.output.table(outcomes, columns(session), 'No tenants.'));
        const failures = outcomes.filter(({ outcome }) => outcome === 'failed');
        for (const { error } of failures) session.output.error(error);
        if (failures.length > 0) {
          // A tier that does not exist is seen by the control plane only, but it is as wrong a file as any other.
          const nothingDone = !outcomes.some(({ outcome }) => outcome === 'created');
          return nothingDone && failures.every(({ error }) => exitCodeOf(error) === exitCode.usage) ? exitCode.usage : exitCode.failure;
        }
        if (outcomes.some(({ outcome }) => outcome === 'skipped')) session.refuseWhenAborted();
        return exitCode.ok;
      });
    });
}

async function readAll(
  session: CliSession,
  files: readonly string[],
): Promise<readonly { readonly file: string; readonly config: TenantConfig }[]> {
  const configs: { file: string; config: TenantConfig }[] = [];
  for (const file of files) {
    const config = await readTenantConfig(session.path(file));
    const other = configs.find((before) => before.config.id === config.id);
    if (other !== undefined)
      throw new ConfigurationError(`${other.file} and ${file} both configure the tenant ${config.id}.`, { tenantId: config.id });
    configs.push({ file, config });
  }
  return configs;
}

function showStep(bar: ProgressBar, index: number, count: number, tenantId: string, step: ProvisionStep): void {
  bar.update(index * steps.length + steps.indexOf(step), count * steps.length, `${tenantId}: ${step}`);
}

function columns({ output: { colors } }: CliSession): readonly Column<CreateOutcome>[] {
  const paint = { created: colors.green, unchanged: undefined, failed: colors.red, skipped: colors.yellow };
  return [
    { title: 'TENANT', value: ({ tenantId }) => tenantId },
    { title: 'OUTCOME', value: ({ outcome }) => outcome, paint: ({ outcome }) => paint[outcome] },
    { title: 'CLUSTER', value: ({ placement }) => placement?.clusterId },
    { title: 'DATABASE', value: ({ placement }) => placement?.database },
    { title: 'SCHEMA', value: ({ placement }) => placement?.schema },
    { title: 'MS', align: 'right', value: ({ durationMs }) => (durationMs === null ? undefined : Math.round(durationMs)) },
  ];
}
