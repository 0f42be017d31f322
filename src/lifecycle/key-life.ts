import type { KeyLifeParts } from './key-parts.ts';
import type { KeyRotationOptions, KeyRotationReport, KeyStatus } from './key-reports.ts';
import { KeyRotation } from './key-rotation.ts';
import { KeyStatusReader } from './key-status.ts';

/** The later life of tenants' keys, as the control plane offers it. */
export class KeyLife {
  readonly #parts: KeyLifeParts;

  constructor(parts: KeyLifeParts) {
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

  async rotate(tenantId: string, options?: KeyRotationOptions): Promise<KeyRotationReport> {
    return await new KeyRotation(this.#parts).rotate(tenantId, options);
  }
}
