import type { Param } from 'drizzle-orm';
import type { CompiledQuery } from './compiled-query.ts';
import { BlindIndexValue, EncryptedValue, executingTenantId, GivenTenantId } from './deferred.ts';
import type { ParameterSource } from './shape.ts';
import type { ValuePlace } from './shape-walk.ts';

type Held = Record<PropertyKey, unknown>;

/**
 * Finds out where each value of a statement goes: builds it once more with an object of its own in the place of every value, and sees by
 * identity where they come out. Equal values can't be told apart, these can.
 *
 * @param values the encoded values, by place
 * @param compile builds and compiles the statement anew
 * @returns undefined when a parameter comes from none of the places, or a place is there twice
 */
export function sourcesOf(
  places: readonly ValuePlace[],
  values: readonly unknown[],
  compile: () => CompiledQuery,
): { readonly trial: CompiledQuery; readonly sources: readonly ParameterSource[] } | undefined {
  if (hasTwice(places)) return undefined;
  const stands = new Map<unknown, number>();
  const undo: (() => void)[] = [];
  try {
    places.forEach((place, i) => {
      const standIn = standInFor(values[i]);
      stands.set(standIn, i);
      undo.push(put(place, standIn));
    });
    const trial = compile();
    const sources: ParameterSource[] = [];
    for (const param of trial.params) {
      const source = sourceOf(param, stands);
      if (source === undefined) return undefined;
      sources.push(source);
    }
    return { trial, sources };
  } finally {
    for (const one of undo.reverse()) one();
  }
}

/** One parameter in two places would pass for two that always have one value. */
function hasTwice(places: readonly ValuePlace[]): boolean {
  const seen = new Map<object, Set<PropertyKey | undefined>>();
  return places.some(({ holder, at }) => {
    const known = seen.get(holder) ?? new Set();
    seen.set(holder, known);
    return known.size === known.add(at).size;
  });
}

function standInFor(value: unknown): object {
  // The compiler asks for these kinds.
  if (value instanceof EncryptedValue) return new EncryptedValue(value.place, Buffer.alloc(0), value.padTo);
  if (value instanceof BlindIndexValue) return new BlindIndexValue(value.definition, Buffer.alloc(0));
  if (value instanceof GivenTenantId) return new GivenTenantId(undefined);
  return {};
}

function put({ holder, at }: ValuePlace, standIn: object): () => void {
  const held = holder as Held;
  if (at !== undefined) {
    const value = held[at];
    held[at] = standIn;
    return () => {
      held[at] = value;
    };
  }
  const { value, encoder } = holder as Param;
  Object.assign(held, { value: {}, encoder: { mapToDriverValue: () => standIn } });
  return () => {
    Object.assign(held, { value, encoder });
  };
}

function sourceOf(param: unknown, stands: ReadonlyMap<unknown, number>): ParameterSource | undefined {
  if (param === executingTenantId) return 'tenant id';
  const value = stands.get(param);
  if (value !== undefined) return { value, given: false };
  const given = param instanceof GivenTenantId ? stands.get(param.value) : undefined;
  return given === undefined ? undefined : { value: given, given: true };
}
