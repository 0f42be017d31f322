import { createHash } from 'node:crypto';

/** Names a statement in the audit log without its text: the first 16 hexadecimal digits of the text's SHA-256. */
export function statementFingerprint(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
