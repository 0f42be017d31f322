import { type KeyObject, randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { dataKeyFrom } from '../crypto/data-key.ts';
import { KeyManagerError, TenancyError } from '../errors.ts';
import { FileLock } from './file-lock.ts';
import type { KeyProtection } from './key-manager.ts';

/** One key-encryption key of a {@link LocalKeyFile}. */
export interface LocalKek {
  readonly id: string;
  readonly tenantId: string;
  /** What was asked for; the material lies in a file either way. */
  readonly requested: KeyProtection;
  readonly state: 'enabled' | 'disabled' | 'pendingDeletion';
  readonly createdAt: Date;
  /** From when the key counts as gone. */
  readonly deleteAt: Date | undefined;
  /** Material by version, from 1; the newest wraps. */
  readonly versions: ReadonlyMap<number, KeyObject>;
}

const instant = z.iso.datetime().transform((text) => new Date(text));
const version = z.strictObject({ version: z.int().positive(), material: z.base64().length(44) });
const kek = z.strictObject({
  id: z.string().min(1),
  tenantId: z.string().min(1),
  requested: z.enum(['software', 'hsm']),
  state: z.enum(['enabled', 'disabled', 'pendingDeletion']),
  createdAt: instant,
  deleteAt: instant.optional(),
  versions: z.array(version).min(1),
});
const document = z.strictObject({ format: z.literal('tenancy.local-keys.v1'), keys: z.array(kek) });

type Keks = ReadonlyMap<string, LocalKek>;

/**
 * KEKs in one JSON file of mode 0600, shared by the processes of one machine. Written whole to another name, synced and renamed, under
 * a {@link FileLock}: a reader sees the file before or after a change, a crash leaves either, and processes that start together agree.
 */
export class LocalKeyFile {
  readonly #path: string;
  #read: { readonly identity: string; readonly keks: Keks } | undefined;

  constructor(path: string) {
    this.#path = resolve(path);
  }

  get path(): string {
    return this.#path;
  }

  /**
   * The keys as the file has them now; parsed again only when the file changed. No file means no keys.
   *
   * @throws {KeyManagerError} `denied` when others may read the file, `unavailable` when it can't be read or understood
   */
  async read(): Promise<Keks> {
    try {
      const handle = await open(this.#path, 'r');
      try {
        const identity = await this.#check(handle);
        if (this.#read?.identity !== identity) this.#read = { identity, keks: parse(await handle.readFile('utf8'), this.#path) };
        return this.#read.keks;
      } finally {
        await handle.close();
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw failureOf(error, 'read', this.#path);
    }
  }

  /**
   * Changes the keys durably: what `change` gives back is on disk when this resolves. Keys whose time is over are dropped for good.
   *
   * @throws {KeyManagerError} as {@link read}, and whatever `change` throws; nothing is written then
   */
  async update<T>(change: (keks: Map<string, LocalKek>) => T, signal?: AbortSignal): Promise<T> {
    try {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const lock = await FileLock.acquire(`${this.#path}.lock`, { signal });
      try {
        await this.#sweep();
        const keks = new Map(await this.read());
        const result = change(keks);
        for (const [id, entry] of keks) if (isGone(entry)) keks.delete(id);
        await this.#replace(serialise(keks), lock);
        return result;
      } finally {
        await lock.release();
      }
    } catch (error) {
      if (signal?.aborted === true) throw error;
      throw failureOf(error, 'written', this.#path);
    }
  }

  /** Drops the keys from memory. */
  close(): void {
    this.#read = undefined;
  }

  async #check(handle: FileHandle): Promise<string> {
    const { mode, uid, ino, size, mtimeNs } = await handle.stat({ bigint: true });
    if (process.platform !== 'win32') {
      const owner = Number(uid);
      if ((mode & 0o077n) !== 0n || (owner !== process.geteuid?.() && owner !== 0)) {
        throw new KeyManagerError(`The key file ${this.#path} may be read or changed by other users.`, {
          reason: 'denied',
          hint: 'Give it to the user of this process with mode 600, and treat its keys as known if anybody else could have read them.',
        });
      }
    }
    return `${ino}:${size}:${mtimeNs}`;
  }

  async #replace(text: Buffer, lock: FileLock): Promise<void> {
    const draft = `${this.#path}.${randomUUID()}.tmp`;
    const handle = await open(draft, 'wx', 0o600);
    try {
      try {
        await handle.writeFile(text);
        await handle.sync();
      } finally {
        text.fill(0);
        await handle.close();
      }
      await lock.assertHeld();
      // A first file never replaces one that appeared meanwhile; later ones replace what was read under this lock.
      if (await exists(this.#path)) await rename(draft, this.#path);
      else await link(draft, this.#path).then(() => unlink(draft));
    } catch (error) {
      await unlink(draft).catch(() => {});
      throw error;
    }
    const folder = await open(dirname(this.#path), 'r');
    await folder.sync().finally(() => folder.close());
  }

  /** Removes drafts, which hold key material, that a crash left behind: under the lock nobody else is writing one. */
  async #sweep(): Promise<void> {
    const prefix = `${basename(this.#path)}.`;
    for (const name of await readdir(dirname(this.#path))) {
      if (name.startsWith(prefix) && name.endsWith('.tmp')) await unlink(join(dirname(this.#path), name)).catch(() => {});
    }
  }
}

/** Whether a key's time is over: it is then as good as not there, and leaves the file with the next change. */
export function isGone(entry: LocalKek): boolean {
  return entry.deleteAt !== undefined && entry.deleteAt.getTime() <= Date.now();
}

function parse(text: string, path: string): Keks {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    content = undefined;
  }
  const parsed = document.safeParse(content);
  if (!parsed.success) {
    // Neither parser's words are passed on: they can quote the file.
    throw new KeyManagerError(`The key file ${path} is damaged or of another version.`, {
      reason: 'unavailable',
      retryable: false,
      hint: 'Restore it from a backup.',
    });
  }
  return new Map(
    parsed.data.keys.map((entry) => {
      const versions = new Map(
        entry.versions.map(({ version: number, material }) => [number, dataKeyFrom(Buffer.from(material, 'base64'))]),
      );
      return [entry.id, Object.freeze({ ...entry, deleteAt: entry.deleteAt, versions })] as const;
    }),
  );
}

function serialise(keks: Keks): Buffer {
  const keys = [...keks.values()].map(({ versions, ...entry }) => ({
    ...entry,
    versions: [...versions].map(([number, key]) => ({ version: number, material: key.export().toString('base64') })),
  }));
  return Buffer.from(`${JSON.stringify({ format: 'tenancy.local-keys.v1', keys }, undefined, 2)}\n`);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
}

function failureOf(error: unknown, verb: 'read' | 'written', path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof TenancyError || typeof code !== 'string') return error;
  const denied = ['EACCES', 'EPERM', 'EROFS'].includes(code);
  return new KeyManagerError(`The key file ${path} can't be ${verb} (${code}).`, {
    reason: denied ? 'denied' : 'unavailable',
    cause: error,
    hint: denied ? 'Let the user of this process own the file and its folder.' : undefined,
  });
}
