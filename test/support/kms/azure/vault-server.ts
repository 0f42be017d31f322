import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Faults } from '../faults.ts';
import { ServiceError } from '../service-error.ts';
import { cryptography } from './vault-cryptography.ts';
import { VaultKeys, type VaultKeyVersion, type VaultOptions } from './vault-keys.ts';

const entraTenant = 'f1e2d3c4-0000-1111-2222-333344445555';
const resource = 'https://vault.azure.net';

interface Token {
  readonly token: string;
  readonly expiresOnTimestamp: number;
}

/**
 * Azure Key Vault, or a Managed HSM, as far as a key manager needs it, over loopback HTTP: a 401 challenge before any token, tokens
 * checked, RSA and AES-GCM for real, versions, soft deletion (Key Vault REST API reference; REST API error codes).
 */
export class VaultServer {
  readonly keys: VaultKeys;
  readonly faults = new Faults();
  /** The operations of authorised requests, in order: `get`, `create`, `unwrapkey`, … */
  readonly seen: string[] = [];
  /** How often a request without a token was challenged, and the bytes of bodies that came along. */
  readonly challenged = { times: 0, bodyBytes: 0 };
  readonly #tokens = new Set<string>();
  readonly #revoked = new Set<string>();
  readonly #server: Server;

  private constructor(options: VaultOptions) {
    this.keys = new VaultKeys(options);
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: Partial<VaultOptions> = {}): Promise<VaultServer> {
    const server = new VaultServer({ managedHsm: false, premium: true, retentionDays: 90, ...options });
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** A credential that this vault takes: it gives a token for the challenge's scope and directory only, as Entra ID would. */
  readonly credential = {
    getToken: async (scopes: string | string[], options: { readonly tenantId?: string } = {}): Promise<Token> => {
      if (String(scopes) !== `${resource}/.default` || options.tenantId !== entraTenant) throw new Error('invalid_scope');
      const token = randomUUID();
      this.#tokens.add(token);
      return { token, expiresOnTimestamp: Date.now() + 3_600_000 };
    },
  };

  /** Every token given so far is answered with a claims challenge (continuous access evaluation). */
  revokeTokens(): void {
    for (const token of this.#tokens) this.#revoked.add(token);
    this.#tokens.clear();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const send = (status: number, text: string, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'x-ms-request-id': randomUUID(), ...headers });
      response.end(text);
    };
    try {
      this.#authorise(request, body);
      const [operation, work] = this.#route(request, body);
      this.seen.push(operation);
      const fault = this.faults.take(operation);
      if (fault !== undefined && 'error' in fault) throw fault.error;
      if (fault !== undefined && 'hang' in fault) return;
      if (fault !== undefined && 'drop' in fault) return void request.socket.destroy();
      if (fault !== undefined && 'garbage' in fault) return send(fault.status ?? 200, fault.garbage);
      const answer = await work();
      send(200, JSON.stringify(fault === undefined ? answer : fault.lie(answer)));
    } catch (error) {
      const { code, status, message, inner, headers } =
        error instanceof ServiceError ? error : new ServiceError('Failed', 500, String(error));
      send(status, JSON.stringify({ error: { code, message, ...(inner === undefined ? {} : { innererror: { code: inner } }) } }), headers);
    }
  }

  #authorise(request: IncomingMessage, body: Buffer): void {
    const { authorization } = request.headers;
    const challenge = `Bearer authorization="https://login.microsoftonline.com/${entraTenant}", resource="${resource}"`;
    if (authorization === undefined) {
      this.challenged.times += 1;
      this.challenged.bodyBytes += body.byteLength;
      throw new ServiceError('Unauthorized', 401, 'AKV10000: Request is missing a Bearer or PoP token.', {
        headers: { 'www-authenticate': challenge },
      });
    }
    const token = authorization.replace(/^Bearer /, '');
    if (this.#tokens.has(token)) return;
    const claims = Buffer.from('{"access_token":{"nbf":{"essential":true,"value":"1"}}}').toString('base64');
    const problem = this.#revoked.has(token) ? `error="insufficient_claims", claims="${claims}"` : 'error="invalid_token"';
    throw new ServiceError('Unauthorized', 401, 'AKV10022: Invalid audience, or the token is invalid.', {
      headers: { 'www-authenticate': `${challenge}, ${problem}` },
    });
  }

  #route(request: IncomingMessage, body: Buffer): readonly [string, () => Promise<Record<string, unknown>>] {
    const url = new URL(request.url!, this.url);
    if (!/^(\d+\.\d+|\d{4}-\d\d-\d\d)/.test(url.searchParams.get('api-version') ?? ''))
      throw new ServiceError('BadParameter', 400, 'The api-version is missing.');
    const [, collection, name = '', third = '', fourth = ''] = url.pathname.split('/');
    const input = body.byteLength === 0 ? {} : (JSON.parse(body.toString('utf8')) as Record<string, unknown>);
    const { keys } = this;
    const bundle = (key: VaultKeyVersion): Record<string, unknown> => this.#bundle(name, key);
    switch (`${request.method} ${collection}`) {
      case 'POST keys': {
        if (third === 'create') return ['create', async () => bundle(await keys.create(name, input))];
        const known = cryptography[fourth];
        if (known === undefined) break;
        const [operation, work] = known;
        return [
          fourth,
          async () => {
            const key = keys.usable(name, third, operation);
            return { kid: this.#id(name, key), ...work(key, input) };
          },
        ];
      }
      case 'GET keys':
        if (third !== 'versions') return ['get', async () => bundle(keys.readable(name, third))];
        return [
          'versions',
          async () => ({
            value: keys.versions(name).map((key) => ({ kid: this.#id(name, key), attributes: this.#attributes(key), tags: key.tags })),
          }),
        ];
      case 'PATCH keys':
        return [
          'update',
          async () => {
            const key = keys.find(name, third);
            key.enabled = (input['attributes'] as { enabled?: boolean } | undefined)?.enabled ?? key.enabled;
            return bundle(key);
          },
        ];
      case 'DELETE keys':
        return ['delete', async () => this.#deletedBundle(name, keys.delete(name))];
      case 'GET deletedkeys':
        return ['getdeleted', async () => this.#deletedBundle(name, keys.deleted(name))];
      case 'POST deletedkeys':
        if (third === 'recover') return ['recover', async () => bundle(keys.recover(name))];
        break;
    }
    throw new ServiceError('BadParameter', 400, 'This server does not know the request.');
  }

  #id(name: string, key: VaultKeyVersion): string {
    return `${this.url}/keys/${name}/${key.version}`;
  }

  #attributes({ enabled, created }: VaultKeyVersion): Record<string, unknown> {
    const { retentionDays: recoverableDays } = this.keys.options;
    return { enabled, created, updated: created, recoveryLevel: 'Recoverable', recoverableDays };
  }

  #bundle(name: string, key: VaultKeyVersion): Record<string, unknown> {
    const { n, e } = key.publicKey?.export({ format: 'jwk' }) ?? {};
    return {
      key: { kid: this.#id(name, key), kty: key.kty, key_ops: key.operations, ...(n === undefined ? {} : { n, e }) },
      attributes: this.#attributes(key),
      tags: key.tags,
    };
  }

  #deletedBundle(name: string, key: VaultKeyVersion): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1_000);
    const scheduledPurgeDate = now + this.keys.options.retentionDays * 86_400;
    return { ...this.#bundle(name, key), recoveryId: `${this.url}/deletedkeys/${name}`, deletedDate: now, scheduledPurgeDate };
  }
}
