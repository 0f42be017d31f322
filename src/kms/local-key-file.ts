import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { KeyManagerError, TenancyError } from '../errors.ts';
import { FileLock } from './file-lock.ts';
import { keyDocument, type LocalKek, parseKeyDocument } from './local-key-document.ts';

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
        const { identity, size } = await this.#check(handle);
        if (this.#read?.identity !== identity) this.#read = { identity, keks: await this.#parse(handle, size) };
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
        const bytes = keyDocument(keks);
        await this.#replace(bytes, lock).finally(() => bytes.fill(0));
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

  async #check(handle: FileHandle): Promise<{ readonly identity: string; readonly size: number }> {
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
    return { identity: `${ino}:${size}:${mtimeNs}`, size: Number(size) };
  }

  /** Into memory of our own, which is overwritten: what `readFile` reads into can't be reached. */
  async #parse(handle: FileHandle, size: number): Promise<Keks> {
    const bytes = Buffer.alloc(size);
    try {
      let end = 0;
      for (let read = -1; read !== 0 && end < size; end += read) read = (await handle.read(bytes, end, size - end, end)).bytesRead;
      const keks = parseKeyDocument(bytes.subarray(0, end));
      if (keks !== undefined) return keks;
    } finally {
      bytes.fill(0);
    }
    throw new KeyManagerError(`The key file ${this.#path} is damaged or of another version.`, {
      reason: 'unavailable',
      retryable: false,
      hint: 'Restore it from a backup.',
    });
  }

  async #replace(bytes: Buffer, lock: FileLock): Promise<void> {
    const draft = `${this.#path}.${randomUUID()}.tmp`;
    const handle = await open(draft, 'wx', 0o600);
    try {
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
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
