import type { Direction, Recording, TcpProxy } from '../tcp-proxy.ts';
import type { KillSubject } from './subject.ts';

/** An operation and what goes over the wire for it, so that it can be cut anywhere. */
export interface Traffic {
  /** The operation's. */
  readonly name: string;
  /** Whether the lane has it prepared already, has not, or is yet to be opened. */
  readonly lane: 'warm' | 'cold' | 'closed';
  /** Where messages end, from 0, in each direction. */
  readonly ends: Readonly<Record<Direction, readonly number[]>>;
}

/** Runs every operation once, on a lane that is new to it and on one that knows it, and notes where its messages end. */
export async function measureTraffic(
  proxy: TcpProxy,
  tenantId: string,
  names: readonly string[],
  open: () => Promise<KillSubject>,
): Promise<readonly Traffic[]> {
  const found: Traffic[] = [];
  for (const name of names) {
    const subject = await open();
    const measure = async (lane: Traffic['lane']): Promise<void> => {
      const stop = proxy.record();
      await subject.operations[name]!(tenantId);
      const { up, down } = stop();
      found.push({ name, lane, ends: { up: messageEnds(up), down: messageEnds(down) } });
    };
    if (name === 'unit') await measure('closed');
    else await subject.read(tenantId);
    await measure('cold');
    await measure('warm');
    await subject.close();
  }
  return found;
}

/** The first message of a connection has no type; everything after it has one. */
function messageEnds(bytes: Recording[Direction]): readonly number[] {
  const ends = [0];
  for (let at = 0; at + 5 <= bytes.length; ) {
    at += bytes[at] === 0 ? bytes.readInt32BE(at) : 1 + bytes.readInt32BE(at + 1);
    ends.push(at);
  }
  return ends;
}
