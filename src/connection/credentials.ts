/** How to log in to one database. `inspect` and `toJSON` must not show the password. */
export interface DatabaseCredentials {
  /** The PostgreSQL role; it may not be able to step over row-level security (docs/operations.md, "Roles and logins"). */
  readonly user: string;
  /** In clear; never in a message. */
  readonly password: string;
}

/** The database that credentials are asked for. */
export interface DatabaseAddress {
  /** The id of a {@link Cluster}. */
  readonly clusterId: string;
  /** The database's name there. */
  readonly database: string;
}

/**
 * Where a service's logins come from: the environment, the catalog (sealed by the platform KEK), or a function. Asked each time
 * that a tenant is routed anew, so it should answer from memory; what it throws fails the scope or query that needed the login.
 */
export type CredentialsProvider = (address: DatabaseAddress) => Promise<DatabaseCredentials>;
