import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/connection/frame-reader.ts';

function frame(type: string, body: Buffer): Buffer {
  const head = Buffer.alloc(5);
  head.write(type, 'latin1');
  head.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

function reading(): { reader: FrameReader; seen: string[]; invalid: () => number } {
  const seen: string[] = [];
  let invalid = 0;
  const reader = new FrameReader(() => {
    invalid++;
  });
  reader.handler = {
    frame: (type, buffer, start, end) => seen.push(`${String.fromCharCode(type)}${buffer.toString('hex', start, end)}`),
  };
  return { reader, seen, invalid: () => invalid };
}

describe('FrameReader', () => {
  const message = fc.tuple(fc.constantFrom('D', 'Z', 'C', '2', 'E'), fc.uint8Array({ maxLength: 2_000 }));

  test('hands the same messages on, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 12 }), fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }), (messages, cuts) => {
        const { reader, seen, invalid } = reading();
        const bytes = Buffer.concat(messages.map(([type, body]) => frame(type, Buffer.from(body))));
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const length = cuts[turn % cuts.length]!;
          reader.push(bytes.subarray(at, at + length));
          at += length;
        }
        expect(seen).toEqual(messages.map(([type, body]) => `${type}${Buffer.from(body).toString('hex')}`));
        expect(invalid()).toBe(0);
      }),
    );
  });

  test.each([
    ['an unknown type', [0x00, 0, 0, 0, 4]],
    ['a client’s message', [0x51, 0, 0, 0, 4]],
    ['a length that is too short', [0x44, 0, 0, 0, 3]],
    ['a negative length', [0x44, 0xff, 0xff, 0xff, 0xff]],
    ['a length that such a message never has', [0x5a, 0, 1, 0, 0]],
  ])('stops at %s, also byte by byte, and hands nothing on any more', (_, bytes) => {
    for (const size of [1, 5]) {
      const { reader, seen, invalid } = reading();
      reader.push(frame('Z', Buffer.from('I')));
      for (let at = 0; at < bytes.length; at += size) reader.push(Buffer.from(bytes.slice(at, at + size)));
      reader.push(frame('Z', Buffer.from('I')));
      expect(seen).toEqual(['Z49']);
      expect(invalid()).toBe(1);
    }
  });

  test('hands nothing on once its handler stopped it', () => {
    const { reader, seen } = reading();
    const { handler } = reader;
    reader.handler = {
      frame: (...message) => {
        handler!.frame(...message);
        reader.stop();
      },
    };
    reader.push(Buffer.concat([frame('1', Buffer.alloc(0)), frame('2', Buffer.alloc(0)), Buffer.from([0x5a])]));
    reader.push(Buffer.from([0, 0, 0, 5, 73]));
    expect(seen).toEqual(['1']);
  });
});
