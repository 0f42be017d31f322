import type { Socket } from 'node:net';
import postgres from 'postgres';
import type { PlanCacheMode } from './plan-cache-mode.ts';
import type { DriverQuery } from './query-guard.ts';
import { laneParsers } from './raw-types.ts';
import type { WireColumn } from './wire.ts';

/** What the driver resolves a query with: rows, and beside them what a lane needs of the answer. */
export interface DriverResult extends ReadonlyArray<unknown> {
  readonly command?: string | null;
  readonly count?: number | null;
  readonly columns?: readonly WireColumn[] | null;
}

export interface DriverClientOptions {
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly applicationName: string;
  /** Given when the session starts, so that `reset all` comes back to it. */
  readonly planCacheMode?: PlanCacheMode | undefined;
}

/** The part of postgres.js's client that a lane uses. */
export interface DriverClient {
  unsafe(text: string, params: readonly unknown[], options: { readonly prepare: boolean; readonly simple: boolean }): DriverQuery;
  typed(value: string, oid: number): unknown;
  end(options: { readonly timeout: number }): Promise<void>;
}

const identity = (value: unknown): unknown => value;

/**
 * A postgres.js client that owns exactly one connection, over a socket that it is handed once. Every further connection that it asks
 * for, to reconnect or to cancel, is refused: what was queued can't run on another backend.
 */
export function createDriverClient(socket: Socket, options: DriverClientOptions): DriverClient {
  let handed = false;
  const client = postgres({
    host: 'lane',
    port: 0,
    database: options.database,
    user: options.user,
    password: options.password,
    socket: () => {
      if (handed) throw new Error('A lane never reconnects.');
      handed = true;
      return socket;
    },
    max: 1,
    ssl: false,
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 0,
    backoff: false,
    keep_alive: null,
    fetch_types: false,
    prepare: true,
    debug: false,
    no_subscribe: true,
    onnotice: () => {},
    connection: {
      application_name: options.applicationName,
      ...(options.planCacheMode === undefined ? {} : { plan_cache_mode: options.planCacheMode }),
    },
  } as postgres.Options<Record<string, never>>);
  const settings = client.options as unknown as { parsers: Record<string, unknown>; serializers: Record<string, unknown> };
  // Parameters arrive as text already; a serializer that guessed again, such as JSON's on a string, would encode twice.
  for (const type of Object.keys(settings.serializers)) settings.serializers[type] = identity;
  for (const type of Object.keys(settings.parsers)) delete settings.parsers[type];
  Object.assign(settings.parsers, laneParsers());
  return client as unknown as DriverClient;
}
