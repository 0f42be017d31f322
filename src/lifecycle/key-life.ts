import { KeyMove } from './key-move.ts';
import type {
  KeyMoveOptions,
  KeyMoveReport,
  KeyRotationOptions,
  KeyRotationReport,
  KeyStatus,
  PlatformRewrapReport,
} from './key-reports.ts';
import { KeyRotation } from './key-rotation.ts';
import { KeyShred } from './key-shred.ts';
import { KeyStatusReader } from './key-status.ts';
import { PlatformRewrap, type PlatformRewrapParts } from './platform-rewrap.ts';
import type { KeyShredOptions, ShredCertificate } from './shred-certificate.ts';

/** The later life of tenants' keys, as the control plane offers it. */
export class KeyLife {
  readonly #parts: Omit<PlatformRewrapParts, 'move'>;

  constructor(parts: Omit<PlatformRewrapParts, 'move'>) {
    this.#parts = parts;
  }

  async status(tenantId?: string): Promise<readonly KeyStatus[]> {
    const { tenants } = this.#parts;
    const reader = new KeyStatusReader(this.#parts);
    const found: KeyStatus[] = [];
    for (const stored of tenantId === undefined ? await tenants.list() : [await tenants.require(tenantId)])
      found.push(await reader.of(stored));
    return Object.freeze(found);
  }

  async rewrap(tenantId: string, options: { readonly actor?: string | undefined } = {}): Promise<KeyMoveReport> {
    return await new KeyMove(this.#parts).rewrap(tenantId, options.actor);
  }

  async rewrapPlatform(options: Parameters<PlatformRewrap['run']>[0] = {}): Promise<PlatformRewrapReport> {
    return await new PlatformRewrap({ ...this.#parts, move: new KeyMove(this.#parts) }).run(options);
  }

  async move(tenantId: string, options?: KeyMoveOptions): Promise<KeyMoveReport> {
    return await new KeyMove(this.#parts).move(tenantId, options);
  }

  async shred(tenantId: string, options: KeyShredOptions): Promise<ShredCertificate> {
    return await new KeyShred(this.#parts).shred(tenantId, options);
  }

  async isCertified(certificate: unknown): Promise<boolean> {
    return await new KeyShred(this.#parts).isCertified(certificate);
  }

  async destroyRetired(tenantId: string, version: number, options: { readonly actor?: string | undefined } = {}): Promise<void> {
    await new KeyRotation(this.#parts).destroyRetired(tenantId, version, options.actor);
  }

  async rotate(tenantId: string, options?: KeyRotationOptions): Promise<KeyRotationReport> {
    return await new KeyRotation(this.#parts).rotate(tenantId, options);
  }
}
