import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';

/** PostgreSQL's own default. */
const iterations = 4_096;

/**
 * What PostgreSQL keeps of a password (RFC 5802, as `pg_authid` stores it). Sent in its place, the password never stands in a statement,
 * where the server's log and `pg_stat_statements` would keep it.
 *
 * @param password of printable ASCII, so that it needs no SASLprep
 * @example
 * ```ts
 * await admin.unsafe(`alter role app password ${quoteLiteral(scramVerifier(password))}`);
 * ```
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(16)): string {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const clientKey = createHmac('sha256', salted).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', salted).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
