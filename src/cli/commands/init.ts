import type { Command } from 'commander';
import type { CliSession } from '../cli-session.ts';
import { exitCode } from '../exit-code.ts';
import { maskUrls } from '../mask-secrets.ts';

/** `tenancy init`: makes the catalog, the platform key and every cluster's roles; running it again changes nothing. */
export function addInit(parent: Command, session: CliSession): void {
  parent
    .command('init')
    .description('make the catalog, the platform key and every cluster’s roles, shared database and functions')
    .option('--show-secrets', 'print the services’ catalog URL with its password')
    .action((options: { readonly showSecrets?: boolean }) =>
      session.withControl(async (control) => {
        const report = await control.init();
        const serviceCatalogUrl = options.showSecrets === true ? report.serviceCatalogUrl : maskUrls(report.serviceCatalogUrl);
        session.output.result({ ...report, serviceCatalogUrl }, () => {
          const { green, bold } = session.output.colors;
          return [
            report.changed ? green('The platform is ready.') : 'Everything stood already; nothing was changed.',
            `catalog version  ${report.catalogVersion}`,
            `clusters         ${report.clusters.join(', ')}`,
            `catalog URL      ${bold(serviceCatalogUrl)}`,
            '',
          ].join('\n');
        });
        if (options.showSecrets !== true) session.output.note('The URL’s password is hidden; --show-secrets prints it.');
        return exitCode.ok;
      }),
    );
}
