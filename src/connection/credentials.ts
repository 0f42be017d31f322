/** How to log in to one database. `inspect` and `toJSON` must not show the password. */
export interface DatabaseCredentials {
  readonly user: string;
  readonly password: string;
}

/** The database that credentials are asked for. */
export interface DatabaseAddress {
  readonly clusterId: string;
  readonly database: string;
}

/** Where a service's logins come from: the environment, the catalog (sealed by the platform KEK), or a function. */
export type CredentialsProvider = (address: DatabaseAddress) => Promise<DatabaseCredentials>;
