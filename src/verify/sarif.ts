import { createHash } from 'node:crypto';
import type { Finding, Severity, VerifyReport } from './finding.ts';

const levels: Readonly<Record<Severity, 'error' | 'warning' | 'note'>> = {
  critical: 'error',
  error: 'error',
  warning: 'warning',
  info: 'note',
};
/** What code scanners sort by, from 0 to 10. */
const scores: Readonly<Record<Severity, string>> = { critical: '9.5', error: '7.5', warning: '4.0', info: '1.0' };

/**
 * A report in the format that CI systems read: SARIF 2.1.0 (OASIS). Findings lie in databases, not in files: their places are logical
 * locations.
 *
 * @example
 * ```ts
 * await writeFile('verify.sarif', JSON.stringify(sarifOf(await control.verify())));
 * ```
 */
export function sarifOf({ findings }: Pick<VerifyReport, 'findings'>): object {
  const ids = [...new Set(findings.map(({ id }) => id))];
  return {
    $schema: 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/os/schemas/sarif-schema-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'tenancy verify', rules: ids.map((id) => ruleOf(id, findings)) } },
        invocations: [{ executionSuccessful: true }],
        results: findings.map((finding) => resultOf(finding, ids.indexOf(finding.id))),
      },
    ],
  };
}

function ruleOf(id: string, findings: readonly Finding[]): object {
  const { message, remedy, severity } = findings.find((finding) => finding.id === id)!;
  return {
    id,
    shortDescription: { text: message },
    help: { text: remedy },
    defaultConfiguration: { level: levels[severity] },
    properties: { 'security-severity': scores[severity] },
  };
}

function resultOf({ id, severity, location, message, remedy }: Finding, ruleIndex: number): object {
  return {
    ruleId: id,
    ruleIndex,
    level: levels[severity],
    message: { text: `${message} ${remedy}` },
    locations: [{ logicalLocations: [{ fullyQualifiedName: location, kind: 'object' }] }],
    // The same finding on the next day is the same one, also where its words have changed.
    partialFingerprints: {
      'finding/v1': createHash('sha256')
        .update(JSON.stringify([id, location]))
        .digest('hex'),
    },
    properties: { severity },
  };
}
