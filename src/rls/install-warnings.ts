import { callable } from './grant-plan.ts';
import type { KeyFacts } from './key-facts.ts';
import type { PolicyShape } from './policy-shape.ts';
import type { RelationFacts } from './relation-facts.ts';
import type { RoutineFacts } from './routine-facts.ts';

/** What an installation saw of a schema. */
export interface InstallFacts {
  readonly relations: readonly RelationFacts[];
  readonly routines: readonly RoutineFacts[];
  readonly keys: readonly KeyFacts[];
  readonly expected: readonly PolicyShape[];
  readonly roles: { readonly ownerRole: string; readonly appRole: string };
}

/** What policies and grants can't mend and a migration should: a sentence each. */
export function installWarnings({ relations, routines, keys, expected, roles }: InstallFacts): readonly string[] {
  return [
    ...relations.flatMap((relation) => relationWarnings(relation, expected, roles)),
    ...routines
      .filter((routine) => routine.definer && !callable(routine) && !routine.trigger)
      .map(({ signature }) => `The function ${signature} runs as its owner without a pinned search_path: services may not call it.`),
    ...keys
      .filter(({ leading }) => !leading)
      .map((key) =>
        key.kind === 'foreign'
          ? `The foreign key ${key.name} of ${key.schema}.${key.table} does not lead from tenant_id to tenant_id: it can refer to another tenant's row.`
          : `The key ${key.name} of ${key.schema}.${key.table} does not begin with tenant_id: it tells tenants of each other's values.`,
      ),
    ...keys
      .filter(({ inside }) => !inside)
      .map((key) => `The foreign key ${key.name} of ${key.schema}.${key.table} leads into another schema.`),
  ];
}

function relationWarnings(relation: RelationFacts, expected: readonly PolicyShape[], roles: InstallFacts['roles']): readonly string[] {
  const name = `${relation.schema}.${relation.name}`;
  const known = new Set([roles.appRole, roles.ownerRole, 'PUBLIC']);
  const others = [...new Set(relation.grants.map(({ grantee }) => grantee).filter((grantee) => !known.has(grantee)))];
  return [
    ...(relation.kind === 'v' && !relation.invoker
      ? [`The view ${name} runs as its owner: services may not read it. Create it with (security_invoker = true).`]
      : []),
    ...(relation.kind === 'm' ? [`The materialised view ${name} holds rows that no policy protects: services may not read it.`] : []),
    ...(relation.kind === 'f' ? [`The foreign table ${name} has no row-level security: services may not read it.`] : []),
    ...relation.policies
      .filter((policy) => !expected.some(({ name: ours }) => ours === policy.name) && !policy.name.startsWith('tenancy_'))
      .map((policy) => `The table ${name} has a policy ${policy.name} that is not ours.`),
    ...others.map((grantee) => `The role ${grantee} has privileges on ${name}.`),
  ];
}
