import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { credentials, type handleUnaryCall, Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { PassThroughClient } from 'google-auth-library';
import type { GcpClientOptions } from '../../../../src/kms/gcp-client.ts';
import { Faults } from '../faults.ts';
import { ServiceError } from '../service-error.ts';
import { GcpKeys, type Message } from './kms-keys.ts';
import { type KmsMethod, kmsMethods, plain } from './kms-methods.ts';

/** How the client speaks to it. */
export type GcpTransport = 'grpc' | 'rest';

/**
 * Google Cloud KMS on this machine, over gRPC and over REST, written from Google's documentation. It really encrypts, refuses what the
 * service refuses, and can be told to fail.
 */
export class GcpKmsServer implements AsyncDisposable {
  readonly project = 'shop-keys';
  readonly location = 'europe-west3';
  readonly keyRing = 'tenants';
  readonly keys = new GcpKeys([`projects/${this.project}/locations/${this.location}/keyRings/${this.keyRing}`]);
  readonly faults = new Faults();
  /** Requests that arrived, by method. */
  readonly requests: { readonly method: string; readonly request: Message; readonly transport: GcpTransport }[] = [];
  readonly #grpc = new Server();
  readonly #http: HttpServer;
  #ports: Readonly<Record<GcpTransport, number>> = { grpc: 0, rest: 0 };

  private constructor() {
    this.#http = createServer((request, response) => void this.#rest(request, response));
    const definition: Record<string, ServiceDefinition[string]> = {};
    const handlers: Record<string, handleUnaryCall<Message, Message>> = {};
    for (const [name, method] of Object.entries(kmsMethods)) {
      definition[name] = {
        path: `/google.cloud.kms.v1.KeyManagementService/${name}`,
        requestStream: false,
        responseStream: false,
        requestSerialize: (message: Message) => Buffer.from(method.request.encode(method.request.fromObject(message)).finish()),
        requestDeserialize: (bytes: Buffer) => plain(method.request, method.request.decode(bytes)),
        responseSerialize: (message: Message) =>
          Buffer.isBuffer(message['garbage'])
            ? message['garbage']
            : Buffer.from(method.response.encode(method.response.fromObject(message)).finish()),
        responseDeserialize: (bytes: Buffer) => plain(method.response, method.response.decode(bytes)),
      };
      handlers[name] = ({ request }, callback) => {
        try {
          const answer = this.#answer('grpc', name, method, request);
          if (answer !== undefined) callback(null, answer);
        } catch (error) {
          if (!(error instanceof ServiceError)) throw error;
          callback({ code: status[error.code as keyof typeof status], details: error.message });
        }
      };
    }
    this.#grpc.addService(definition, handlers);
  }

  static async start(): Promise<GcpKmsServer> {
    const server = new GcpKmsServer();
    const grpc = await new Promise<number>((resolve, reject) => {
      server.#grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
    await new Promise<void>((resolve) => {
      server.#http.listen(0, '127.0.0.1', resolve);
    });
    server.#ports = { grpc, rest: (server.#http.address() as AddressInfo).port };
    return server;
  }

  /** What points Google's client here. */
  clientOptions(transport: GcpTransport): GcpClientOptions {
    const authClient = new PassThroughClient() as NonNullable<GcpClientOptions['authClient']>;
    const base = { apiEndpoint: '127.0.0.1', port: this.#ports[transport], authClient };
    return transport === 'grpc'
      ? { ...base, sslCreds: credentials.createInsecure() }
      : { ...base, fallback: true as const, protocol: 'http' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#grpc.forceShutdown();
    this.#http.closeAllConnections();
    await new Promise((resolve) => {
      this.#http.close(resolve);
    });
  }

  /** Undefined when it is not to answer. */
  #answer(transport: GcpTransport, name: string, method: KmsMethod, request: Message): Message | undefined {
    this.requests.push({ method: name, request, transport });
    const fault = this.faults.take(name);
    if (fault === undefined) return method.work(this.keys, request);
    if ('error' in fault) throw fault.error;
    if ('hang' in fault) return undefined;
    if ('drop' in fault) throw new ServiceError('UNAVAILABLE', 503, 'Connection dropped');
    if ('garbage' in fault) return { garbage: Buffer.from(fault.garbage), status: fault.status ?? 200 };
    return fault.lie(method.work(this.keys, request));
  }

  async #rest(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', 'http://127.0.0.1');
    const path = decodeURIComponent(url.pathname);
    const send = (code: number, body: string): void => {
      response.writeHead(code, { 'content-type': 'application/json' }).end(body);
    };
    try {
      const found = Object.entries(kmsMethods).find(([, method]) => method.http === incoming.method && method.path.test(path));
      if (found === undefined) throw new ServiceError('NOT_FOUND', 404, 'There is no such method.');
      const [name, method] = found;
      const body = fromJson(chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as Message));
      const resource = method.path.exec(path)![1]!;
      const request: Message = method.body === undefined ? body : { [method.body]: body };
      if (method.field === 'cryptoKeyVersion') request[method.field] = { ...body, name: resource };
      else request[method.field] = resource;
      for (const [field, value] of url.searchParams) {
        if (field === 'updateMask') request[field] = { paths: value.split(',') };
        else if (!field.startsWith('$')) request[field] = value;
      }
      const answer = this.#answer('rest', name, method, plain(method.request, method.request.fromObject(request)));
      if (answer === undefined) return;
      if (Buffer.isBuffer(answer['garbage'])) send(Number(answer['status']), answer['garbage'].toString());
      else send(200, JSON.stringify(toJson(method.response.toObject(method.response.fromObject(answer), jsonOptions))));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      send(error.status, JSON.stringify({ error: { code: error.status, status: error.code, message: error.message } }));
    }
  }
}

const jsonOptions = { longs: String, enums: String, bytes: String };

/** Numbers in messages of their own, durations and field masks are plain values in JSON. */
function fromJson(json: Message): Message {
  return Object.fromEntries(
    Object.entries(json).map(([name, value]) => {
      if (name.endsWith('Crc32c')) return [name, { value }];
      if (name.endsWith('Duration')) return [name, { seconds: String(value).replace(/s$/, '') }];
      return [name, typeof value === 'object' && value !== null ? fromJson(value as Message) : value];
    }),
  );
}

function toJson(message: Message): Message {
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => {
      const inner = value as { value?: unknown; seconds?: string };
      if (name.endsWith('Crc32c') && typeof value === 'object') return [name, inner.value];
      if (name.endsWith('Duration')) return [name, `${inner.seconds}s`];
      if (name.endsWith('Time')) return [name, new Date(Number(inner.seconds) * 1_000).toISOString()];
      if (Array.isArray(value)) return [name, value.map((one) => toJson(one as Message))];
      return [name, typeof value === 'object' && value !== null ? toJson(value as Message) : value];
    }),
  );
}
