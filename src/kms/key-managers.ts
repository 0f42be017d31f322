import { ConfigurationError } from '../errors.ts';
import type { KeyManager, KeyProtection } from './key-manager.ts';

/** The key managers of one process, found by provider: wrapped keys name the provider that can open them. */
export class KeyManagers {
  readonly #byProvider: ReadonlyMap<string, KeyManager>;
  /** The manager that holds the platform KEK and makes new ones: the first given. */
  readonly primary: KeyManager;

  constructor(managers: KeyManager | readonly KeyManager[]) {
    const list = Array.isArray(managers) ? (managers as readonly KeyManager[]) : [managers as KeyManager];
    const [primary] = list;
    if (primary === undefined)
      throw new ConfigurationError('No key manager was given.', { hint: 'Pass kms: localKeyManager({ … }) or another provider’s.' });
    this.primary = primary;
    this.#byProvider = new Map(list.map((manager) => [manager.provider, manager]));
    if (this.#byProvider.size < list.length) {
      throw new ConfigurationError('Two key managers have the same provider name.', {
        hint: 'Give each its own: wrapped keys name the one that can open them.',
      });
    }
  }

  /** Whether a manager of that provider was configured. */
  has(provider: string): boolean {
    return this.#byProvider.has(provider);
  }

  /** @throws {ConfigurationError} when no manager of that provider was configured */
  for(provider: string): KeyManager {
    const manager = this.#byProvider.get(provider);
    if (manager === undefined) {
      throw new ConfigurationError(`A key is wrapped by "${provider}", but no key manager of that provider was given.`, {
        hint: `Add it to the kms option.`,
      });
    }
    return manager;
  }

  /** The providers of all. */
  get providers(): readonly string[] {
    return [...this.#byProvider.keys()];
  }

  /** The regions that keys can be made in. */
  get regions(): readonly string[] {
    return [...new Set([...this.#byProvider.values()].map((manager) => manager.region))];
  }

  /**
   * The manager in the first of these regions that has one; undefined when none has. For `hsm` one that has an HSM goes before its stand-in,
   * and either before one that makes no such key, whatever the region; where there is only that, it is the one to refuse.
   */
  in(regions: readonly string[], protection: KeyProtection): KeyManager | undefined {
    const inOrder = regions.flatMap((region) => [...this.#byProvider.values()].filter((manager) => manager.region === region));
    if (protection === 'software') return inOrder[0];
    return inOrder.find(({ hsmKeys }) => hsmKeys === 'hsm') ?? inOrder.find(({ hsmKeys }) => hsmKeys === 'stand-in') ?? inOrder[0];
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byProvider.values()].map((manager) => manager.close()));
  }
}
