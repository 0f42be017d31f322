import { readFileSync } from 'node:fs';

/** The process that started this one and, where /proc shows it, the one above it: another text once either is gone. */
export function ancestry(): string {
  const parent = process.ppid;
  try {
    const stat = readFileSync(`/proc/${parent}/stat`, 'utf8');
    // The command's name, in parentheses, may hold anything.
    return `${parent} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]}`;
  } catch {
    return String(parent);
  }
}
