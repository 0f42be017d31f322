/** What the bench tells the proxy's process. */
export type ProxyOrder =
  | { readonly kind: 'start'; readonly host: string; readonly port: number }
  /** How long every chunk is held back, in milliseconds, in either direction. */
  | { readonly kind: 'delay'; readonly delayMs: number }
  /** Asks for the number of round trips since the last time it was asked. */
  | { readonly kind: 'count' };

/** What the proxy's process answers, in the order of the orders. */
export type ProxyReport =
  | { readonly kind: 'started'; readonly port: number; readonly echoPort: number; readonly proxiedEchoPort: number }
  | { readonly kind: 'delayed' }
  | { readonly kind: 'counted'; readonly roundTrips: number };
