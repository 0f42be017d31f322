/** An error that a key management service answers with: its name, its status, its words. */
export class ServiceError extends Error {
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  /** A finer code, where the service has one. */
  readonly inner: string | undefined;
  constructor(
    code: string,
    status: number,
    message: string,
    { headers = {}, inner }: { readonly headers?: Readonly<Record<string, string>>; readonly inner?: string } = {},
  ) {
    super(message);
    this.code = code;
    this.status = status;
    this.headers = headers;
    this.inner = inner;
  }
}
