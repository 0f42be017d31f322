import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AuditReader } from '../../../src/audit-store/audit-reader.ts';
import { KeyStore } from '../../../src/catalog/key-store.ts';
import { KeyManagers } from '../../../src/kms/key-managers.ts';
import { localKeyManager } from '../../../src/kms/local.ts';
import { PlatformKeys } from '../../../src/provision/platform-keys.ts';
import { type CatalogDatabase, createCatalogDatabase } from '../catalog/catalog-database.ts';

/** A catalog with a platform key, and a folder: what audit chains and spools need. */
export class AuditWorld implements AsyncDisposable {
  readonly database: CatalogDatabase;
  readonly managers: KeyManagers;
  readonly folder: string;
  readonly reader: AuditReader;

  private constructor(database: CatalogDatabase, managers: KeyManagers, folder: string) {
    this.database = database;
    this.managers = managers;
    this.folder = folder;
    this.reader = new AuditReader(database.owner);
  }

  static async open(): Promise<AuditWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'audit-world-'));
    const managers = new KeyManagers(localKeyManager({ file: join(folder, 'keys.json'), region: 'us-east-1' }));
    const database = await createCatalogDatabase();
    await new PlatformKeys({ store: new KeyStore(database.owner), managers }).ensure();
    return new AuditWorld(database, managers, folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.managers.close();
    await this.database[Symbol.asyncDispose]();
    await rm(this.folder, { recursive: true, force: true });
  }
}
