import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '../service-error.ts';

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const skewMs = 5 * 60_000;

/**
 * Verifies a request's Signature Version 4 as AWS describes it ("Signing AWS API requests"): the signature is computed anew from what
 * arrived, so that a wrong secret, another body, header, path, region or service, and a date more than five minutes away are refused.
 *
 * @throws {ServiceError} what AWS answers
 */
export function verifySigV4(
  request: IncomingMessage,
  body: Buffer,
  server: { readonly credentials: AwsCredentials; readonly region: string; readonly service: string; readonly now: number },
): void {
  const header = (name: string): string => String(request.headers[name] ?? '');
  const authorization = header('authorization');
  if (authorization === '') throw new ServiceError('MissingAuthenticationTokenException', 400, 'Missing Authentication Token');
  const parts = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(authorization);
  const date = header('x-amz-date');
  if (parts === null || !/^\d{8}T\d{6}Z$/.test(date))
    throw new ServiceError('IncompleteSignatureException', 400, 'Authorization header is incomplete.');
  const [, credential, signedHeaders, signature] = parts;
  const [accessKeyId, day, region, service, end] = credential!.split('/');
  const { credentials } = server;
  if (accessKeyId !== credentials.accessKeyId || header('x-amz-security-token') !== (credentials.sessionToken ?? ''))
    throw new ServiceError('UnrecognizedClientException', 400, 'The security token included in the request is invalid.');
  if (region !== server.region || service !== server.service || end !== 'aws4_request' || day !== date.slice(0, 8))
    throw new ServiceError('InvalidSignatureException', 400, 'Credential should be scoped to a valid region, service and date.');
  const names = signedHeaders!.split(';');
  const needed = ['host', 'x-amz-date', 'x-amz-target', ...(credentials.sessionToken === undefined ? [] : ['x-amz-security-token'])];
  if (!needed.every((name) => names.includes(name)))
    throw new ServiceError('InvalidSignatureException', 400, 'A header that must be signed is not.');
  const at = Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
  if (Math.abs(server.now - at) > skewMs)
    throw new ServiceError('InvalidSignatureException', 400, `Signature ${at < server.now ? 'expired' : 'not yet current'}: ${date}`);

  const [path, query = ''] = request.url!.split('?');
  const canonical = [
    request.method,
    path,
    query.split('&').sort().join('&'),
    ...names.map((name) => `${name}:${header(name).trim().replace(/ +/g, ' ')}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n');
  const scope = [day, region, service, end].join('/');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n');
  const key = [day!, region, service, 'aws4_request'].reduce<Buffer>(
    (secret, part) => hmac(secret, part),
    Buffer.from(`AWS4${credentials.secretAccessKey}`),
  );
  if (!timingSafeEqual(hmac(key, toSign), Buffer.from(signature!, 'hex'))) {
    throw new ServiceError(
      'InvalidSignatureException',
      400,
      'The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method.',
    );
  }
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}
