import { quoteIdentifier } from '../sql/identifier.ts';
import { qualifiedName } from '../sql/qualified-name.ts';
import { type RelationFacts, runnerTable } from './relation-facts.ts';
import type { RoutineFacts } from './routine-facts.ts';

/** What the service login gets of a relation of a tenant's schema: never TRUNCATE, REFERENCES or TRIGGER, which policies do not see. */
export function tenantGrants(relation: RelationFacts): readonly string[] {
  if (relation.name === runnerTable || relation.runner) return [];
  switch (relation.kind) {
    case 'r':
    case 'p':
      return ['DELETE', 'INSERT', 'SELECT', 'UPDATE'];
    case 'S':
      // All schemas of a database share one service login: whoever may use a sequence sees how far it has come, and moves it on.
      return relation.identity ? [] : ['USAGE'];
    case 'v':
      return relation.invoker ? ['SELECT'] : [];
    case 'm':
    case 'f':
      return [];
  }
}

/** What the service login gets of a relation of schema `reference`: to read it. */
export function referenceGrants(relation: RelationFacts): readonly string[] {
  if (relation.name === runnerTable || relation.runner || relation.kind === 'S') return [];
  return relation.kind === 'v' && !relation.invoker ? [] : relation.kind === 'm' || relation.kind === 'f' ? [] : ['SELECT'];
}

/** Grants of the service login and of PUBLIC that differ from what they should be; others' are left alone and reported. */
export function excessOrMissing(relation: RelationFacts, appRole: string, wanted: readonly string[]): boolean {
  const held = relation.grants.filter(({ grantee }) => grantee === appRole || grantee === 'PUBLIC');
  return (
    held.length !== wanted.length ||
    !wanted.every((privilege) => held.some((grant) => grant.grantee === appRole && grant.column === null && grant.privilege === privilege))
  );
}

/** The SQL that makes the grants of a relation what they should be, or nothing where they are. */
export function grantSql(relation: RelationFacts, appRole: string, wanted: readonly string[]): readonly string[] {
  if (!excessOrMissing(relation, appRole, wanted)) return [];
  const app = quoteIdentifier(appRole);
  const object = `${relation.kind === 'S' ? 'sequence' : 'table'} ${qualifiedName(relation.schema, relation.name)}`;
  return [
    `revoke all on ${object} from public, ${app};`,
    ...(wanted.length === 0 ? [] : [`grant ${wanted.join(', ').toLowerCase()} on ${object} to ${app};`]),
  ];
}

/** Whether services may call a routine: not one that runs as its owner under whatever search_path its caller chose. */
export function callable(routine: RoutineFacts): boolean {
  return !routine.trigger && (!routine.definer || routine.pinned);
}

/** The SQL that lets services call a routine, and nobody else. */
export function routineGrantSql(routine: RoutineFacts, appRole: string): readonly string[] {
  const app = quoteIdentifier(appRole);
  const held = routine.grantees.filter((grantee) => grantee === appRole || grantee === 'PUBLIC');
  if (callable(routine)) {
    if (held.length === 1 && held[0] === appRole) return [];
    return [`revoke all on routine ${routine.signature} from public;`, `grant execute on routine ${routine.signature} to ${app};`];
  }
  return held.length === 0 ? [] : [`revoke all on routine ${routine.signature} from public, ${app};`];
}
