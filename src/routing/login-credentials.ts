import { inspect } from 'node:util';
import type { DatabaseCredentials } from '../connection/credentials.ts';

/** A login whose password is read by those who connect and shown by nothing else. */
export class LoginCredentials implements DatabaseCredentials {
  readonly user: string;
  readonly #password: string;

  constructor(user: string, password: string) {
    this.user = user;
    this.#password = password;
    Object.freeze(this);
  }

  get password(): string {
    return this.#password;
  }

  toJSON(): { readonly user: string } {
    return { user: this.user };
  }

  [inspect.custom](): string {
    return `LoginCredentials { user: '${this.user}', password: [hidden] }`;
  }
}
