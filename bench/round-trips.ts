import { closeAll, connect } from './connect.ts';
import type { DelayProxy } from './proxy/delay-proxy.ts';
import { skuOf } from './stock.ts';
import type { World } from './world.ts';

/** How many times an interactive transaction waits for the server. */
export interface RoundTrips {
  readonly subject: string;
  /** Statements in the transaction, each awaited before the next. */
  readonly statements: number;
  /** The first time on its connection. */
  readonly cold: number;
  /** Once its statements were prepared there. */
  readonly warm: number;
}

/** Counts at a proxy, with one connection to each database that has seen nothing before but one select. */
export async function countRoundTrips(
  world: World,
  proxy: DelayProxy,
  names: readonly string[],
  statements: number,
  signal: AbortSignal,
): Promise<readonly RoundTrips[]> {
  const subjects = await connect(world, { names, connections: 1, port: proxy.port });
  try {
    const counts: RoundTrips[] = [];
    for (const { name, tenantIds, find, transact } of subjects) {
      signal.throwIfAborted();
      const tenantId = tenantIds[0]!;
      const counted = async (turn: number): Promise<number> => {
        await proxy.takeRoundTrips();
        await transact(tenantId, turn, statements);
        return await proxy.takeRoundTrips();
      };
      await find(tenantId, skuOf(0));
      const cold = await counted(1);
      await counted(2);
      counts.push({ subject: name, statements, cold, warm: await counted(3) });
    }
    return counts;
  } finally {
    await closeAll(subjects);
  }
}
