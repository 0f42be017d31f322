import { KeyLifeStore, type StoredKek, type StoredKey } from '../catalog/key-life-store.ts';
import { RotationStore } from '../catalog/rotation-store.ts';
import { ShredStore } from '../catalog/shred-store.ts';
import type { StoredTenant } from '../catalog/stored-tenant.ts';
import { KeyManagerError, TenancyError } from '../errors.ts';
import type { KeyDescription } from '../kms/key-manager.ts';
import type { KeyLifeParts } from './key-parts.ts';
import type { KekStatus, KeyProblem, KeyStatus } from './key-reports.ts';
import { TenantRows } from './tenant-rows.ts';

type Described = { readonly description: KeyDescription } | { readonly problem: KeyProblem };

/** Tells what a tenant's keys are, and what is wrong with them, asking the key managers as they are now. */
export class KeyStatusReader {
  readonly #parts: Pick<KeyLifeParts, 'catalog' | 'managers' | 'owners'>;
  /** A platform KEK is asked about once in a run, however many tenants are under it. */
  readonly #described = new Map<string, Promise<Described>>();

  constructor(parts: Pick<KeyLifeParts, 'catalog' | 'managers' | 'owners'>) {
    this.#parts = parts;
  }

  async of(stored: StoredTenant): Promise<KeyStatus> {
    const { tenant } = stored;
    const life = new KeyLifeStore(this.#parts.catalog);
    const keys = await life.keys(tenant.id);
    const rotation = await new RotationStore(this.#parts.catalog).newest(tenant.id);
    const shred = await new ShredStore(this.#parts.catalog).find(tenant.id);
    const problems: KeyProblem[] = [];
    const keks: KekStatus[] = [];
    for (const kek of await life.keks(tenant.id)) {
      const wraps = keys.filter(({ kekId }) => kekId === kek.id).length;
      // One that wraps nothing any more may be gone: that is what it was retired for.
      const described = await this.#describe(kek);
      const description = 'description' in described ? described.description : undefined;
      if (wraps > 0) problems.push(...problemsOf(stored, kek, described));
      if (kek.state === 'pending')
        problems.push({ id: 'kek-pending', message: `${nameOf(kek)} was made for a move that did not end: run keys move again.` });
      keks.push({
        provider: kek.provider,
        keyRef: kek.keyRef,
        owner: kek.tenantId === undefined ? 'platform' : 'tenant',
        catalogState: kek.state,
        wraps,
        region: description?.region,
        protection: description?.protection,
        state: description?.state,
      });
    }
    const dataKeys = keys.filter(({ purpose }) => purpose === 'data');
    const indexSecret = keys.some(({ purpose, state }) => purpose === 'blind-index' && state === 'active');
    const whole = indexSecret && dataKeys.some(({ state }) => state === 'active');
    if (!whole && shred === undefined && tenant.status !== 'provisioning' && tenant.status !== 'offboarded') {
      problems.push({ id: 'keys-missing', message: 'It has no active data key, or no blind-index secret.' });
    }
    const values = rotation?.step === 'current' ? await this.#valuesOf(stored, dataKeys) : undefined;
    return Object.freeze({
      tenantId: tenant.id,
      keks: Object.freeze(keks),
      dataKeys: dataKeys.map(({ version, state, createdAt }) => ({
        version,
        state,
        createdAt,
        values: values && (values.get(version) ?? 0),
      })),
      indexSecret,
      rotation: rotation && {
        version: rotation.version,
        step: rotation.step,
        startedAt: rotation.startedAt,
        finishedAt: rotation.finishedAt,
      },
      shreddedAt: shred?.at,
      problems: Object.freeze(problems),
    });
  }

  async #valuesOf({ placement }: StoredTenant, dataKeys: readonly StoredKey[]): Promise<ReadonlyMap<number, number> | undefined> {
    if (placement === undefined) return undefined;
    return await new TenantRows(this.#parts.owners, placement).session(async (rows) => {
      const sums = new Map(dataKeys.map(({ version }) => [version, 0]));
      for (const column of await rows.columns()) {
        for (const [version, n] of await rows.values(column)) sums.set(version, (sums.get(version) ?? 0) + n);
      }
      return sums;
    });
  }

  #describe(kek: StoredKek): Promise<Described> {
    const known = this.#described.get(kek.id) ?? this.#ask(kek);
    this.#described.set(kek.id, known);
    return known;
  }

  async #ask(kek: StoredKek): Promise<Described> {
    try {
      return { description: await this.#parts.managers.for(kek.provider).describe(kek.keyRef) };
    } catch (error) {
      if (!(error instanceof TenancyError)) throw error;
      const gone = error instanceof KeyManagerError && (error.reason === 'notFound' || error.reason === 'pendingDeletion');
      return { problem: { id: gone ? 'kek-unusable' : 'kek-unknown', message: `${nameOf(kek)}: ${error.message}` } };
    }
  }
}

function problemsOf({ tenant }: StoredTenant, kek: StoredKek, described: Described): readonly KeyProblem[] {
  const { keyPolicy, name } = tenant.tier;
  const problems: KeyProblem[] = [];
  if (keyPolicy !== 'platform' && kek.tenantId === undefined) {
    problems.push({
      id: 'kek-shared',
      message: `The tier ${name} asks for a KEK of the tenant's own, and ${nameOf(kek)} is the platform's.`,
    });
  }
  if ('problem' in described) return [...problems, described.problem];
  const { region, protection, state } = described.description;
  if (state !== 'enabled') problems.push({ id: 'kek-unusable', message: `${nameOf(kek)} is ${state}.` });
  if (!tenant.dataResidency.includes(region)) {
    problems.push({
      id: 'kek-region',
      message: `${nameOf(kek)} is in ${region}, and the tenant allows ${tenant.dataResidency.join(', ')} only.`,
    });
  }
  if (keyPolicy === 'tenant-hsm' && protection !== 'hsm') {
    problems.push({ id: 'kek-protection', message: `The tier ${name} asks for an HSM, and ${nameOf(kek)} is protected by ${protection}.` });
  }
  return problems;
}

function nameOf({ provider, keyRef }: StoredKek): string {
  return `The KEK ${JSON.stringify(keyRef)} of ${provider}`;
}
