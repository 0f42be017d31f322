import type { Command } from 'commander';
import { actorOf } from '../actor.ts';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';

interface KeyOptions {
  readonly actor?: string;
}

const actorOption = ['--actor <name>', 'who does this, for the audit (TENANCY_ACTOR, or the user)'] as const;

/** `tenancy keys context rotate` and `retire`: replaces the key that signs contexts, in two steps, while services run. */
export function addKeysContext(parent: Command, session: CliSession): void {
  const context = parent.command('context').description('the key that signs tenants’ contexts');
  context
    .command('rotate')
    .description('make a new context key, install it in every database and have services sign with it')
    .option(...actorOption)
    .action(({ actor }: KeyOptions) =>
      session.withControl(async (control) => {
        const { keyId } = await control.rotateContextKey({ actor: actor ?? actorOf(session.env) });
        session.output.result(
          { keyId },
          () => `Services sign with ${keyId} now. The old key holds until \`tenancy keys context retire\`.\n`,
        );
        return exitCode.ok;
      }),
    );
  context
    .command('retire')
    .description('take every context key but the newest out of use, ten minutes after a rotation at the earliest')
    .option(...actorOption)
    .action(({ actor }: KeyOptions) =>
      session.withControl(async (control) => {
        const { retired } = await control.retireContextKeys({ actor: actor ?? actorOf(session.env) });
        session.output.result({ retired }, () =>
          retired.length === 0 ? 'There was no older key.\n' : `${retired.join(', ')} can’t sign a context any more.\n`,
        );
        return exitCode.ok;
      }),
    );
}
