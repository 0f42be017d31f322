import { within } from '../within.ts';
import { type Face, lanesPerDatabase } from './platform.ts';
import { items } from './schema.ts';

/**
 * Has one tenant hold every lane of its database at the same time and read through each.
 *
 * @returns the backends, and the markers that were read
 */
export async function throughEveryLane(
  face: Face,
  tenantId: string,
): Promise<{ readonly pids: number; readonly markers: readonly string[] }> {
  let arrived = 0;
  let open = (): void => {};
  const all = new Promise<void>((resolve) => {
    open = resolve;
  });
  const seen = await within(
    face.run(tenantId, () =>
      Promise.all(
        Array.from({ length: lanesPerDatabase }, () =>
          face.db.transaction(async (tx) => {
            const [row] = await tx.execute<{ pid: number }>('select pg_backend_pid() as pid');
            if (++arrived === lanesPerDatabase) open();
            await all;
            return { pid: row!.pid, rows: await tx.select({ marker: items.marker }).from(items) };
          }),
        ),
      ),
    ),
  );
  if (seen === undefined) throw new Error(`A lane of ${tenantId} hangs.`);
  return { pids: new Set(seen.map(({ pid }) => pid)).size, markers: seen.flatMap(({ rows }) => rows.map(({ marker }) => marker)) };
}
