import type { RemoteFailure } from './remote-calls.ts';

/** Names that Node and the SDKs give to connections that failed; certificates that nobody trusts are among them. */
const codes =
  /^(E[A-Z_]+|UND_ERR_\w+|CERT_\w+|DEPTH_ZERO_\w+|SELF_SIGNED_\w+|UNABLE_TO_\w+|ERR_TLS_\w+|HPE_\w+|REQUEST_SEND_ERROR|PARSE_ERROR)$/;

/** What an error means that came from the way to the provider, not from it: `unavailable`. Undefined when it is none of that kind. */
export function networkFailure(error: unknown): RemoteFailure | undefined {
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && codes.test(code)) return { reason: 'unavailable', detail: code };
  if (name === 'TimeoutError' || name === 'AbortError') return { reason: 'unavailable', detail: name };
  return undefined;
}
