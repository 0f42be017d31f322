import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LaneTls } from '../../../src/connection/lane-socket.ts';
import { openPostgresLane } from '../../../src/connection/postgres-lane.ts';
import { LaneLostError } from '../../../src/errors.ts';
import {
  contextOf,
  createLaneDatabase,
  insertProduct,
  type LaneDatabase,
  selectNames,
  statementOf,
  wires,
} from '../../support/lane-database.ts';

/** A throw-away certificate for `localhost`, used by these tests only. */
const cert = `-----BEGIN CERTIFICATE-----
MIIBlDCCATugAwIBAgIUGMQ69dCs433x2rXTDRnS3Iq3jjEwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE0MzEzMloYDzIxMjYxMDMw
MTQzMTMyWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAATZuJ1+5QgL4LLT5n7LyMIwWBq4sJ+NmuGoTdHlSCkYhNKzuxZch+/0
T1CQ7+9OO8cIsfbYBN0JlyMnXqSqs9TNo2kwZzAdBgNVHQ4EFgQUnXLoL5F1xrW9
h3ZvEzvNBJHYk4kwHwYDVR0jBBgwFoAUnXLoL5F1xrW9h3ZvEzvNBJHYk4kwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
RwAwRAIgR/qXGOHcB77K0pr2N+N4pU3YLhk1Pj6VPIC5+dZly/wCIAnrDpOMCsz7
XiL4ycb3huTa5r/Jl8jV9esh57hEKiOj
-----END CERTIFICATE-----`;
const key = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTnWUqS3Z1CAYekf5
5+hSjUZr24f9IohuQiLobXb5e5KhRANCAATZuJ1+5QgL4LLT5n7LyMIwWBq4sJ+N
muGoTdHlSCkYhNKzuxZch+/0T1CQ7+9OO8cIsfbYBN0JlyMnXqSqs9TN
-----END PRIVATE KEY-----`;

describe.each(wires)('a lane over TLS (%s wire)', (wire) => {
  let database: LaneDatabase;
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();
  beforeAll(async () => {
    database = await createLaneDatabase();
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(
      [...servers].map(
        async (server) =>
          await new Promise<void>((resolve) => {
            server.close(() => resolve());
          }),
      ),
    );
    servers.clear();
  });
  afterAll(async () => {
    await database[Symbol.asyncDispose]();
  });

  /** Ends TLS in front of the server; `answer` is what it says to the client's request for TLS. */
  async function front(answer: string): Promise<number> {
    const { host, port } = database.laneOptions();
    const server = createServer((client) => {
      sockets.add(client);
      client.on('error', () => {});
      client.once('data', (request: Buffer) => {
        if (request.readInt32BE(4) !== 80_877_103) return client.destroy();
        client.write(answer);
        if (answer !== 'S') return undefined;
        const secured = new TLSSocket(client, { isServer: true, cert, key });
        const upstream = connect({ host, port });
        sockets.add(upstream);
        secured.on('error', () => upstream.destroy());
        upstream.on('error', () => secured.destroy());
        secured.pipe(upstream).pipe(secured);
        return undefined;
      });
    });
    servers.add(server);
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    return (server.address() as AddressInfo).port;
  }
  const open = async (port: number, tls: LaneTls, host = 'localhost') =>
    await openPostgresLane(database.laneOptions({ wire, host, port, tls, connectTimeoutMs: 2_000 }));

  test('works like any other, cancel requests included', async () => {
    const lane = await open(await front('S'), { ca: cert });
    await lane.run({ context: contextOf('a'), statement: insertProduct('a', 'over TLS') });
    await expect(
      lane.run({ context: contextOf('a'), statement: statementOf('select pg_sleep(20)') }, AbortSignal.timeout(50)),
    ).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await lane.run({ context: contextOf('a'), statement: selectNames })).rows).toEqual([['over TLS']]);
    await lane.close();
  });

  test('refuses a certificate that no authority signed, and one of another host', async () => {
    const port = await front('S');
    await expect(open(port, 'verify-full')).rejects.toThrow(LaneLostError);
    await expect(open(port, { ca: cert }, '127.0.0.1')).rejects.toThrow(LaneLostError);
  });

  test('refuses a server without TLS, and bytes put in front of the handshake', async () => {
    await expect(open(await front('N'), { ca: cert })).rejects.toThrow(LaneLostError);
    await expect(open(await front('SR\0\0\0\x08\0\0\0\0'), { ca: cert })).rejects.toThrow(LaneLostError);
  });
});
