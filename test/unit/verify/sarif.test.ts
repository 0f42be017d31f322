import { createRequire } from 'node:module';
import AjvDraft04 from 'ajv-draft-04';
import addFormats from 'ajv-formats';
import { describe, expect, test } from 'vitest';
import type { Finding, Severity } from '../../../src/verify/finding.ts';
import { sarifOf } from '../../../src/verify/sarif.ts';

const finding = (id: string, severity: Severity, location = 'eu-1/db a.t'): Finding => ({
  id,
  severity,
  location,
  message: 'It is open.',
  remedy: 'Close it.',
});

interface Sarif {
  readonly $schema: string;
  readonly version: string;
  readonly runs: readonly {
    readonly tool: {
      readonly driver: {
        readonly name: string;
        readonly rules: readonly { readonly id: string; readonly defaultConfiguration: { readonly level: string } }[];
      };
    };
    readonly results: readonly {
      readonly ruleId: string;
      readonly ruleIndex: number;
      readonly level: string;
      readonly message: { readonly text: string };
      readonly locations: readonly { readonly logicalLocations: readonly { readonly fullyQualifiedName: string }[] }[];
      readonly partialFingerprints: Readonly<Record<string, string>>;
    }[];
  }[];
}

test('what the standard requires is there, and every result knows its rule', () => {
  const findings = [
    finding('b', 'critical'),
    finding('a', 'info'),
    finding('b', 'critical', 'eu-1/db a.u'),
    finding('c', 'warning'),
    finding('d', 'error'),
  ];
  const sarif = sarifOf({ findings }) as Sarif;
  expect([sarif.version, new URL(sarif.$schema).pathname.split('/').at(-1)]).toEqual(['2.1.0', 'sarif-schema-2.1.0.json']);
  const [run] = sarif.runs;
  expect(run!.tool.driver.name).toBe('tenancy verify');
  expect(run!.tool.driver.rules.map(({ id }) => id)).toEqual(['b', 'a', 'c', 'd']);
  expect(run!.results.map(({ ruleId, level }) => [ruleId, level])).toEqual([
    ['b', 'error'],
    ['a', 'note'],
    ['b', 'error'],
    ['c', 'warning'],
    ['d', 'error'],
  ]);
  for (const result of run!.results) {
    expect(run!.tool.driver.rules[result.ruleIndex]!.id).toBe(result.ruleId);
    expect(result.message.text).toBe('It is open. Close it.');
  }
  expect(run!.results[0]!.locations).toEqual([{ logicalLocations: [{ fullyQualifiedName: 'eu-1/db a.t', kind: 'object' }] }]);
});

test('a fingerprint is the finding’s own: by id and place, whatever its words', () => {
  const prints = (findings: readonly Finding[]) =>
    (sarifOf({ findings }) as Sarif).runs[0]!.results.map(({ partialFingerprints }) => partialFingerprints['finding/v1']);
  const [one, again] = [prints([finding('a', 'info')]), prints([{ ...finding('a', 'info'), message: 'Other words.' }])];
  expect(one).toEqual(again);
  expect(new Set(prints([finding('a', 'info'), finding('b', 'info'), finding('a', 'info', 'x')])).size).toBe(3);
});

test('no findings are a run without results, not no run', () => {
  expect((sarifOf({ findings: [] }) as Sarif).runs).toMatchObject([{ results: [], tool: { driver: { rules: [] } } }]);
});

describe('the schema of SARIF 2.1.0, as its editors publish it', () => {
  const require = createRequire(import.meta.url);
  // Its pattern of languages is no regular expression under the u flag.
  const ajv = new AjvDraft04.default({ strict: false, allErrors: true, unicodeRegExp: false });
  addFormats.default(ajv);
  const valid = ajv.compile(require('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json') as object);
  const problems = (document: unknown): readonly string[] => {
    valid(JSON.parse(JSON.stringify(document)));
    return (valid.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  };
  const every = (['critical', 'error', 'warning', 'info'] as const).map((severity) => finding(severity, severity));
  const hostile = finding('odd', 'error', 'eu-1/"db" \u0000 \u202e <script> %s {0}');

  test('holds for a run with findings of every severity, with none, and with hostile names', () => {
    for (const findings of [every, [], [hostile], [...every, ...every]]) expect(problems(sarifOf({ findings }))).toEqual([]);
  });

  test('control: it refuses what is not SARIF', () => {
    const [run] = (sarifOf({ findings: every }) as Sarif).runs;
    expect(problems({ version: '2.1.0' })).not.toEqual([]);
    expect(problems({ version: '2.0.0', runs: [run] })).not.toEqual([]);
    expect(problems({ version: '2.1.0', runs: [{ ...run, tool: {} }] })).not.toEqual([]);
    expect(problems({ version: '2.1.0', runs: [{ ...run, results: [{ ...run!.results[0], level: 'critical' }] }] })).not.toEqual([]);
    expect(problems({ version: '2.1.0', runs: [{ ...run, results: [{ ...run!.results[0], more: 1 }] }] })).not.toEqual([]);
    expect(problems({ version: '2.1.0', runs: [{ ...run, results: [{ ...run!.results[0], ruleIndex: -2 }] }] })).not.toEqual([]);
  });
});
