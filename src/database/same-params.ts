import { isDeepStrictEqual } from 'node:util';
import { BlindIndexValue, Deferred, EncryptedValue, GivenTenantId } from './deferred.ts';

/** Whether two statements send the same: deferred parameters count as equal when they would come out equal for every tenant. */
export function sameParams(left: readonly unknown[], right: readonly unknown[]): boolean {
  return left.length === right.length && left.every((param, i) => sameParam(param, right[i]));
}

function sameParam(left: unknown, right: unknown): boolean {
  if (left instanceof GivenTenantId) return right instanceof GivenTenantId && sameParam(left.value, right.value);
  if (left instanceof EncryptedValue) {
    return (
      right instanceof EncryptedValue &&
      isDeepStrictEqual(left.place, right.place) &&
      left.padTo === right.padTo &&
      left.plaintext.equals(right.plaintext)
    );
  }
  if (left instanceof BlindIndexValue) {
    return (
      right instanceof BlindIndexValue && isDeepStrictEqual(left.definition, right.definition) && left.plaintext.equals(right.plaintext)
    );
  }
  if (left instanceof Deferred || right instanceof Deferred) return left === right;
  return isDeepStrictEqual(left, right);
}
