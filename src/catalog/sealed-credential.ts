/** A login of one database as the catalog has it: the password sealed by the platform KEK. */
export interface SealedCredential {
  readonly clusterId: string;
  readonly database: string;
  readonly login: string;
  readonly sealed: Buffer;
  readonly createdAt: Date;
}
