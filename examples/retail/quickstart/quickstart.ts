import { acrossReport } from './across-report.ts';
import { type Attempt, allHeld, runAttempts } from './attempt.ts';
import { type Cast, castOf } from './attempts.ts';
import { attemptsTable } from './attempts-table.ts';
import { afterDay, liveDay } from './day.ts';
import { InvoiceImport } from './import.ts';
import type { Interruption } from './interruption.ts';
import { onboard } from './onboard.ts';
import type { Options } from './options.ts';
import { Platform } from './platform.ts';
import { Progress } from './progress.ts';
import type { Retailer } from './retailer.ts';
import { retailers as retailersOf } from './retailers.ts';
import type { Screen } from './screen.ts';
import { secretView } from './secrets.ts';
import { Servers } from './servers.ts';
import { type Survey, survey } from './survey.ts';
import { table } from './table.ts';
import { checkTotals, type StoredTotals, storedTotals } from './totals-check.ts';

export interface QuickstartParts {
  readonly options: Options;
  readonly screen: Screen;
  readonly interruption: Interruption;
  readonly attempts: (platform: Platform, cast: Cast) => readonly Attempt[];
}

/** The whole of the main job. Nothing that it starts outlives it. */
export class Quickstart {
  readonly #options: Options;
  readonly #screen: Screen;
  readonly #interruption: Interruption;
  readonly #attempts: QuickstartParts['attempts'];

  constructor(parts: QuickstartParts) {
    this.#options = parts.options;
    this.#screen = parts.screen;
    this.#interruption = parts.interruption;
    this.#attempts = parts.attempts;
  }

  /** @returns what was off: one sentence each */
  async run(): Promise<readonly string[]> {
    const { signal } = this.#interruption;
    const servers = new Servers(signal);
    let platform: Platform | undefined;
    try {
      return await this.#interruption.guard(
        (async () => {
          const [found, started] = await Promise.all([
            this.#survey(signal),
            this.#screen.stage('starting a PostgreSQL server in each of two regions', () => servers.ready()),
          ]);
          platform = await this.#screen.stage('making the catalog and the clusters', () => Platform.install(started, signal));
          this.#screen.print(`  ${platform.keys.summary}`);
          const off = await this.#mainJob(platform, found, signal);
          if (this.#options.keep) await this.#keep(platform, off);
          return off;
        })(),
      );
    } finally {
      // After a signal, what is under way would only be waited for; without its servers it ends by itself.
      if (!signal.aborted) await platform?.close();
      await servers.close();
    }
  }

  async #survey(signal: AbortSignal): Promise<Survey> {
    const found = await survey(this.#options.data, signal);
    this.#screen.print(`${found.lines} lines of ${found.totals.size} retailers in ${found.files.length} files`);
    return found;
  }

  async #mainJob(platform: Platform, found: Survey, signal: AbortSignal): Promise<readonly string[]> {
    const screen = this.#screen;
    const off: string[] = [];
    const retailers = await this.#onboard(platform, found, signal);
    const imported = await this.#import(new InvoiceImport(retailers), found, retailers, signal);
    off.push(...imported.off);

    const days = await screen.stage('a day of orders and reports in every retailer at once', () => liveDay([...retailers.values()]));
    screen.print(
      table(
        days.map(({ differences, retailerId, ...day }) => ({
          retailer: retailerId,
          ...day,
          verdict: differences.length === 0 ? 'OK' : 'OFF',
        })),
      ),
    );
    off.push(...days.flatMap(({ differences }) => differences));
    const expected = new Map(days.map((day) => [day.retailerId, afterDay(imported.totals.get(day.retailerId)!, day)]));

    off.push(...(await this.#breakIn(platform, retailers)));
    const after = await screen.stage('counting again: no row came or went', () => storedTotals(retailers.values()));
    off.push(...checkTotals(retailers.values(), expected, after).differences);

    const across = await screen.stage('one report over all retailers', () =>
      acrossReport(platform.control, [...retailers.values()], expected),
    );
    screen.print(
      `  ${across.revenue} over ${across.retailers} retailers; the audit log names who asked and why, ${across.allowed} times before and ${across.completed} times after a look`,
    );
    off.push(...across.differences);

    const secrets = await this.#secrets(platform, [...retailers.values()]);
    off.push(...secrets);
    const verified = await screen.stage('verifying every tenant database from the system catalogs', () =>
      platform.control.verify({ signal }),
    );
    screen.print(`  ${verified.checked} things checked, ${verified.findings.length} findings`);
    for (const { severity, id, location, message } of verified.findings) screen.print(`  ${severity} ${id} at ${location}: ${message}`);
    if (!verified.ok || verified.checked === 0) off.push('verify is not content');
    return off;
  }

  async #onboard(platform: Platform, found: Survey, signal: AbortSignal): Promise<ReadonlyMap<string, Retailer>> {
    const configs = await retailersOf([...found.totals.values()].map(({ country }) => country));
    const reports = await this.#screen.stage(
      `onboarding ${configs.length} retailers over ${new Set(configs.map(({ tier }) => tier)).size} tiers`,
      () => onboard(platform.control, configs, signal),
    );
    const retailers = new Map<string, Retailer>();
    for (const [index, config] of configs.entries()) {
      const { placement } = reports[index]!;
      retailers.set(config.id, Object.freeze({ id: config.id, config, placement, tenancy: await platform.service(config.region) }));
    }
    return retailers;
  }

  async #import(
    into: InvoiceImport,
    found: Survey,
    retailers: ReadonlyMap<string, Retailer>,
    signal: AbortSignal,
  ): Promise<{ readonly off: readonly string[]; readonly totals: ReadonlyMap<string, StoredTotals> }> {
    const screen = this.#screen;
    await screen.stage('importing products and inventory', () => into.products(found.catalogue));
    const fresh = await screen.stage(`importing ${found.lines} order lines`, async () => {
      using progress = new Progress('lines', found.lines);
      return await into.lines(this.#options.data, signal, (lines) => progress.advance(lines));
    });
    screen.print(`  ${fresh} kept, ${found.repeated} repeated between files, ${found.problems.length} unusable`);
    for (const { file, line, reason } of found.problems.slice(0, 20)) screen.print(`  ${file}:${line} left out: ${reason}`);
    if (found.problems.length > 20) screen.print(`  … and ${found.problems.length - 20} more`);
    const totals = await storedTotals(retailers.values());
    const again = await screen.stage('importing one file a second time', () => into.lines(found.files[0]!, signal));
    const twice = await storedTotals(retailers.values());
    const check = checkTotals(retailers.values(), found.totals, twice);
    screen.print(`  ${again} lines were new\n\nEach retailer's totals against the files:\n${table(check.rows)}\n`);
    const counted = checkTotals(retailers.values(), totals, twice).differences;
    return {
      totals: twice,
      off: [
        ...check.differences,
        ...counted.map((text) => `counted twice: ${text}`),
        ...(again === 0 ? [] : [`${again} lines were imported a second time`]),
      ],
    };
  }

  async #breakIn(platform: Platform, retailers: ReadonlyMap<string, Retailer>): Promise<readonly string[]> {
    const cast = castOf([...retailers.values()]);
    const since = new Date();
    const results = await this.#screen.stage(`trying to break in, as ${cast.attacker.id} into ${cast.victim.id}`, () =>
      runAttempts(this.#attempts(platform, cast), () => platform.control.auditEntries({ since, limit: 10_000 })),
    );
    this.#screen.print(attemptsTable(results));
    if (allHeld(results)) return [];
    return results
      .filter(({ verdict }) => verdict === 'LEAK' || verdict === 'OFF')
      .map(({ name, verdict, met }) => `${verdict}: ${name}: ${met}`);
  }

  async #secrets(platform: Platform, retailers: readonly Retailer[]): Promise<readonly string[]> {
    const tiers = new Map(retailers.toReversed().map((retailer) => [retailer.config.tier, retailer]));
    const views = await this.#screen.stage("a supplier's account, as the database and as its retailer sees it", () =>
      Promise.all([...tiers.values()].map((retailer) => secretView(retailer, platform))),
    );
    this.#screen.print(table(views.map((view) => ({ ...view }))));
    return views
      .filter(({ verdict }) => verdict === 'OFF')
      .map(({ retailer }) => `${retailer}: the encrypted column or its key is not as it should be`);
  }

  async #keep(platform: Platform, off: readonly string[]): Promise<void> {
    const screen = this.#screen;
    screen.verdict(off);
    screen.print(`
The servers stay up. Connection strings:
  services' catalog          ${platform.serviceCatalogUrl}
  superuser, eu-west-1       ${platform.adminUrl('eu-west-1')}
  superuser, us-east-1       ${platform.adminUrl('us-east-1')}
Ctrl-C, or kill ${process.pid}, stops them and removes their files.`);
    // A timer keeps the process: the servers alone don't.
    const timer = setInterval(() => {}, 3_600_000);
    await new Promise((resolve) => this.#interruption.signal.addEventListener('abort', resolve, { once: true }));
    clearInterval(timer);
  }
}
