import type { Sql } from 'postgres';

/**
 * A client that asks first: whatever is called on it, `before` runs, and what that throws is thrown. For clients whose connection may be
 * gone, on which the driver would run a statement anywhere else or never.
 */
export function guardedSql<T extends Sql>(sql: T, before: () => void): T {
  return new Proxy(sql, {
    apply: (target, self, given) => {
      before();
      return Reflect.apply(target, self, given);
    },
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        before();
        return Reflect.apply(value, target, given);
      };
    },
  });
}
