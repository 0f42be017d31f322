/**
 * What is wrong with a package-lock.json: addresses of registries (an install elsewhere must use the registry that is set up there),
 * and packages that no checksum pins.
 */
export function lockfileProblems(text: string): readonly string[] {
  const lock = JSON.parse(text) as { lockfileVersion?: number; packages?: Record<string, LockedPackage> };
  const found: string[] = [];
  if (lock.lockfileVersion !== 3) found.push(`lockfileVersion is ${lock.lockfileVersion}, expected 3`);
  for (const [path, locked] of Object.entries(lock.packages ?? {})) {
    if (path === '') continue;
    if (locked.resolved !== undefined) found.push(`${path} holds an address; write the lockfile with omit-lockfile-registry-resolved=true`);
    if (locked.integrity === undefined && locked.inBundle !== true) found.push(`${path} has no checksum`);
  }
  return found;
}

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly inBundle?: boolean;
}
