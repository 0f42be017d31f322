import type { KeyManager } from '@godseye/tenancy';

/** How often each method of a key manager was called. */
export type KeyManagerCalls = Readonly<Record<string, number>>;

/** A real key manager whose calls are counted: everything is passed on as it is. */
export function countedKeyManager(manager: KeyManager): { readonly manager: KeyManager; readonly taken: () => KeyManagerCalls } {
  let calls: Record<string, number> = {};
  const counted = new Proxy(manager, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function' || typeof name !== 'string') return value;
      return (...given: unknown[]): unknown => {
        calls[name] = (calls[name] ?? 0) + 1;
        return Reflect.apply(value, target, given);
      };
    },
  });
  return {
    manager: counted,
    taken: () => {
      const before = calls;
      calls = {};
      return before;
    },
  };
}
