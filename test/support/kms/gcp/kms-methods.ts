import { protos } from '@google-cloud/kms';
import type { GcpKeys, Message } from './kms-keys.ts';

/** A message type of the SDK, as its generated code has it. */
export interface MessageType {
  decode(bytes: Uint8Array): object;
  encode(message: object): { finish(): Uint8Array };
  fromObject(object: Message): object;
  toObject(message: object, options: object): Message;
}

/** One method of the service: its messages, where REST has it, and the work. */
export interface KmsMethod {
  readonly request: MessageType;
  readonly response: MessageType;
  readonly http: 'GET' | 'POST' | 'PATCH';
  readonly path: RegExp;
  /** The request's field that the path holds. */
  readonly field: 'name' | 'parent' | 'cryptoKeyVersion';
  /** The request's field that the body is; the whole request unless told. */
  readonly body?: string;
  readonly work: (keys: GcpKeys, request: Message) => Message;
}

const api = protos.google.cloud.kms.v1;
const type = (message: unknown): MessageType => message as MessageType;
const key = 'projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/:]+';

export const kmsMethods: Readonly<Record<string, KmsMethod>> = {
  CreateCryptoKey: {
    request: type(api.CreateCryptoKeyRequest),
    response: type(api.CryptoKey),
    http: 'POST',
    path: /^\/v1\/(projects\/[^/]+\/locations\/[^/]+\/keyRings\/[^/]+)\/cryptoKeys$/,
    field: 'parent',
    body: 'cryptoKey',
    work: (keys, request) => keys.createCryptoKey(request),
  },
  GetCryptoKey: {
    request: type(api.GetCryptoKeyRequest),
    response: type(api.CryptoKey),
    http: 'GET',
    path: new RegExp(`^/v1/(${key})$`),
    field: 'name',
    work: (keys, request) => keys.getCryptoKey(request),
  },
  ListCryptoKeyVersions: {
    request: type(api.ListCryptoKeyVersionsRequest),
    response: type(api.ListCryptoKeyVersionsResponse),
    http: 'GET',
    path: new RegExp(`^/v1/(${key})/cryptoKeyVersions$`),
    field: 'parent',
    work: (keys, request) => keys.listCryptoKeyVersions(request),
  },
  UpdateCryptoKeyVersion: {
    request: type(api.UpdateCryptoKeyVersionRequest),
    response: type(api.CryptoKeyVersion),
    http: 'PATCH',
    path: new RegExp(`^/v1/(${key}/cryptoKeyVersions/\\d+)$`),
    field: 'cryptoKeyVersion',
    body: 'cryptoKeyVersion',
    work: (keys, request) => keys.updateCryptoKeyVersion(request),
  },
  DestroyCryptoKeyVersion: {
    request: type(api.DestroyCryptoKeyVersionRequest),
    response: type(api.CryptoKeyVersion),
    http: 'POST',
    path: new RegExp(`^/v1/(${key}/cryptoKeyVersions/\\d+):destroy$`),
    field: 'name',
    work: (keys, request) => keys.destroyCryptoKeyVersion(request),
  },
  Encrypt: {
    request: type(api.EncryptRequest),
    response: type(api.EncryptResponse),
    http: 'POST',
    path: new RegExp(`^/v1/(${key}):encrypt$`),
    field: 'name',
    work: (keys, request) => keys.encrypt(request),
  },
  Decrypt: {
    request: type(api.DecryptRequest),
    response: type(api.DecryptResponse),
    http: 'POST',
    path: new RegExp(`^/v1/(${key}):decrypt$`),
    field: 'name',
    work: (keys, request) => keys.decrypt(request),
  },
};

/** A message as the keys take it. */
export function plain(messageType: MessageType, message: object): Message {
  return messageType.toObject(message, { longs: String, enums: String, bytes: Buffer });
}
