import { expect, test } from 'vitest';
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
