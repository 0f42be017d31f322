/** The part of a package-lock.json that is looked at. */
interface Lockfile {
  readonly lockfileVersion?: number;
  packages?: Record<string, LockedPackage>;
}

interface LockedPackage {
  readonly version?: string;
  readonly resolved?: string;
  readonly integrity?: string;
  readonly inBundle?: boolean;
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/**
 * What is wrong with a package-lock.json: addresses of registries (an install elsewhere must use the registry that is set up there),
 * packages that no checksum pins, and parts for other platforms that are not listed, without which `npm ci` refuses the whole file.
 */
export function lockfileProblems(text: string): readonly string[] {
  const lock = JSON.parse(text) as Lockfile;
  const found: string[] = [];
  if (lock.lockfileVersion !== 3) found.push(`lockfileVersion is ${lock.lockfileVersion}, expected 3`);
  for (const [path, locked] of Object.entries(lock.packages ?? {})) {
    // The project itself, and what is a folder of it.
    if (locked.link === true || !path.includes('node_modules/')) continue;
    if (locked.resolved !== undefined) found.push(`${path} holds an address; write the lockfile with omit-lockfile-registry-resolved=true`);
    const otherPlatform = locked.optional === true && locked.os !== undefined;
    if (locked.integrity === undefined && locked.inBundle !== true && !otherPlatform) found.push(`${path} has no checksum`);
  }
  for (const [path] of missingParts(lock)) found.push(`${path} is not listed; run npm run check:lockfile -- --write`);
  return found;
}

/**
 * Lists the parts for other platforms that npm left out because the registry it was run against does not carry them. Their version is
 * what the package asks for; os, cpu and libc are read off their names, so that no machine but theirs tries to fetch them.
 */
export function completeLockfile(text: string): string {
  const lock = JSON.parse(text) as Lockfile;
  const all = [...Object.entries(lock.packages ?? {}), ...missingParts(lock)];
  lock.packages = Object.fromEntries(all.sort(([a], [b]) => a.localeCompare(b, 'en')));
  return `${JSON.stringify(lock, null, 2)}\n`;
}

function missingParts(lock: Lockfile): ReadonlyMap<string, LockedPackage> {
  const packages = lock.packages ?? {};
  const missing = new Map<string, LockedPackage>();
  for (const [path, locked] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(locked.optionalDependencies ?? {})) {
      if (isListed(packages, path, name)) continue;
      const beside = path.slice(0, path.lastIndexOf('node_modules/'));
      const { cpu, libc, os } = platformOf(name);
      // In npm's own order, so that its next install changes nothing.
      const part = {
        version,
        ...(cpu && { cpu }),
        ...(locked.dev && { dev: true }),
        ...(libc && { libc }),
        optional: true,
        ...(os && { os }),
      };
      missing.set(`${beside}node_modules/${name}`, part);
    }
  }
  return missing;
}

/** Whether Node, from that package, would find the other: in its own node_modules or in one above. */
function isListed(packages: Readonly<Record<string, LockedPackage>>, from: string, name: string): boolean {
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf('/node_modules/'), 0))) {
    if (packages[`${at === '' ? '' : `${at}/`}node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
  }
}

/** `@biomejs/cli-linux-x64-musl` is for os linux, cpu x64, libc musl. */
function platformOf(name: string): Record<'cpu' | 'libc' | 'os', readonly string[] | undefined> {
  const words = name.replace(/^.*\//, '').split('-');
  const os = words.map((word) => (word === 'windows' ? 'win32' : word)).find((word) => SYSTEMS.has(word));
  const cpu = words.find((word) => PROCESSORS.has(word));
  const libc = words.some((word) => word.startsWith('musl')) ? 'musl' : words.some((word) => word.startsWith('gnu')) ? 'glibc' : undefined;
  return {
    cpu: cpu === undefined ? undefined : [cpu],
    libc: os === 'linux' && libc !== undefined ? [libc] : undefined,
    os: os === undefined ? undefined : [os],
  };
}

const SYSTEMS = new Set(['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']);
const PROCESSORS = new Set(['arm', 'arm64', 'ia32', 'loong64', 'mips64el', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64']);
