import type { Attempt } from './attempt.ts';
import { attemptsOn, type Cast } from './attempts.ts';
import { Interruption } from './interruption.ts';
import { parseOptions, usage } from './options.ts';
import type { Platform } from './platform.ts';
import { Quickstart } from './quickstart.ts';
import { Screen } from './screen.ts';
import { UsageError } from './usage-error.ts';

/**
 * Runs the main job as a command line asks for it.
 *
 * @param attempts those to break in with
 * @returns the exit code
 */
export async function main(
  args: readonly string[],
  attempts: (platform: Platform, cast: Cast) => readonly Attempt[] = attemptsOn,
): Promise<number> {
  using interruption = new Interruption();
  try {
    const options = await parseOptions(args);
    const screen = new Screen();
    if (options.help) {
      screen.print(usage);
      return 0;
    }
    const off = await new Quickstart({ options, screen, interruption, attempts }).run();
    if (interruption.exitCode !== undefined) return interruption.exitCode;
    screen.verdict(off);
    return off.length === 0 ? 0 : 1;
  } catch (error) {
    if (interruption.exitCode !== undefined) {
      process.stderr.write('Interrupted: everything that was started is stopped and removed.\n');
      return interruption.exitCode;
    }
    if (error instanceof UsageError) {
      process.stderr.write(`${error.message}\n\n${usage}`);
      return 2;
    }
    console.error(error);
    return 1;
  }
}
