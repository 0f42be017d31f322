import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Faults } from '../faults.ts';
import { ServiceError } from '../service-error.ts';
import { AwsKeys } from './kms-keys.ts';
import { type AwsLimits, operations } from './kms-operations.ts';
import { type AwsCredentials, verifySigV4 } from './sig-v4.ts';

/** A request that reached the server with a good signature. */
export interface SeenRequest {
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
}

/**
 * AWS KMS as far as a key manager needs it: AWS JSON 1.1 over loopback HTTP, signatures verified, really encrypting, refusing with the
 * real service's names and statuses (AWS KMS API Reference; Signing AWS API requests).
 */
export class AwsKmsServer {
  readonly keys: AwsKeys;
  readonly credentials: AwsCredentials;
  readonly faults = new Faults();
  readonly limits: AwsLimits = { maxKeys: 100_000, customKeyStores: new Map() };
  readonly seen: SeenRequest[] = [];
  /** How far this server's clock is ahead, in milliseconds. */
  clockAheadMs = 0;
  readonly #server: Server;

  private constructor(region: string, credentials: AwsCredentials) {
    this.keys = new AwsKeys(region);
    this.credentials = credentials;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(
    region = 'eu-central-1',
    credentials: AwsCredentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  ): Promise<AwsKmsServer> {
    const server = new AwsKmsServer(region, credentials);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  requestsFor(operation: string): number {
    return this.seen.filter((request) => request.operation === operation).length;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const send = (status: number, body: string, headers: Readonly<Record<string, string>> = {}): void => {
      const date = new Date(Date.now() + this.clockAheadMs).toUTCString();
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1', 'x-amzn-requestid': randomUUID(), date, ...headers });
      response.end(body);
    };
    try {
      const { operation, input } = this.#read(request, Buffer.concat(chunks));
      this.seen.push({ operation, input });
      const fault = this.faults.take(operation);
      if (fault !== undefined && 'error' in fault) throw fault.error;
      if (fault !== undefined && 'hang' in fault) return;
      if (fault !== undefined && 'drop' in fault) return void request.socket.destroy();
      if (fault !== undefined && 'garbage' in fault) return send(fault.status ?? 200, fault.garbage);
      const answer = operations[operation]!(this.keys, input, this.limits);
      send(200, JSON.stringify(fault === undefined ? answer : fault.lie(answer)));
    } catch (error) {
      if (!(error instanceof ServiceError)) return send(500, JSON.stringify({ __type: 'KMSInternalException', message: String(error) }));
      send(error.status, JSON.stringify({ __type: error.code, message: error.message }), error.headers);
    }
  }

  #read(request: IncomingMessage, body: Buffer): SeenRequest {
    const now = Date.now() + this.clockAheadMs;
    verifySigV4(request, body, { credentials: this.credentials, region: this.keys.region, service: 'kms', now });
    const [service, operation = ''] = String(request.headers['x-amz-target']).split('.');
    if (request.method !== 'POST' || service !== 'TrentService' || !Object.hasOwn(operations, operation))
      throw new ServiceError('UnknownOperationException', 400, '');
    try {
      return { operation, input: JSON.parse(body.toString('utf8')) as SeenRequest['input'] };
    } catch {
      throw new ServiceError('SerializationException', 400, 'The body is no JSON.');
    }
  }
}
