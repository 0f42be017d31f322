import type { KeyObject } from 'node:crypto';
import * as z from 'zod';
import { readBase64, writeBase64 } from '../crypto/base64-bytes.ts';
import { dataKeyFrom, dataKeyLength } from '../crypto/data-key.ts';
import type { KeyProtection } from './key-manager.ts';

/** One key-encryption key of a key file. */
export interface LocalKek {
  readonly id: string;
  readonly tenantId: string;
  /** What was asked for; the material lies in a file either way. */
  readonly requested: KeyProtection;
  readonly state: 'enabled' | 'disabled' | 'pendingDeletion';
  readonly createdAt: Date;
  /** From when the key counts as gone. */
  readonly deleteAt: Date | undefined;
  /** Material by version, from 1; the newest wraps. */
  readonly versions: ReadonlyMap<number, KeyObject>;
}

const format = 'tenancy.local-keys.v1';
/** 32 bytes as base64. */
const materialLength = 44;
const instant = z.iso.datetime().transform((text) => new Date(text));
const place = z
  .string()
  .regex(/^\d{44}$/)
  .transform(Number);
const kek = z.strictObject({
  id: z.string().min(1),
  tenantId: z.string().min(1),
  requested: z.enum(['software', 'hsm']),
  state: z.enum(['enabled', 'disabled', 'pendingDeletion']),
  createdAt: instant,
  deleteAt: instant.optional(),
  versions: z.array(z.strictObject({ version: z.int().positive(), material: place })).min(1),
});
const document = z.strictObject({ format: z.literal(format), keys: z.array(kek) });

/**
 * Reads a key file's bytes and overwrites its key material in them: only what is left becomes text, since strings can't be overwritten.
 *
 * @returns undefined when these bytes are no key file; of neither parser's words anything is kept, which can quote it
 */
export function parseKeyDocument(bytes: Buffer): ReadonlyMap<string, LocalKek> | undefined {
  const materials: KeyObject[] = [];
  for (const at of materialsIn(bytes)) {
    const text = bytes.subarray(at, at + materialLength);
    const material = readBase64(text);
    if (material?.byteLength !== dataKeyLength) return undefined;
    text.write(nameOf(materials.length), 'latin1');
    materials.push(dataKeyFrom(material));
  }
  let content: unknown;
  try {
    content = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  const parsed = document.safeParse(content);
  if (!parsed.success) return undefined;
  // Each stands where it was taken from, whatever else the file may call material.
  const named = parsed.data.keys.flatMap(({ versions }) => versions.map(({ material }) => material));
  if (named.length !== materials.length || named.some((material, index) => material !== index)) return undefined;
  return new Map(
    parsed.data.keys.map((entry) => {
      const versions = new Map(entry.versions.map(({ version, material }) => [version, materials[material]!]));
      return [entry.id, Object.freeze({ ...entry, deleteAt: entry.deleteAt, versions })] as const;
    }),
  );
}

/** The bytes of a key file; whoever asked for them overwrites them. */
export function keyDocument(keks: ReadonlyMap<string, LocalKek>): Buffer {
  const materials: KeyObject[] = [];
  const keys = [...keks.values()].map(({ versions, ...entry }) => ({
    ...entry,
    versions: [...versions].map(([version, key]) => ({ version, material: nameOf(materials.push(key) - 1) })),
  }));
  const bytes = Buffer.from(`${JSON.stringify({ format, keys }, undefined, 2)}\n`);
  for (const [index, at] of materialsIn(bytes).entries()) {
    const material = materials[index]!.export();
    writeBase64(material, bytes.subarray(at, at + materialLength));
    material.fill(0);
  }
  return bytes;
}

/** What stands in the text for the material of this number. */
function nameOf(index: number): string {
  return String(index).padStart(materialLength, '0');
}

const space = new Set(Buffer.from(' \t\r\n'));
const [colon, quote] = Buffer.from(':"') as unknown as [number, number];

/** Where material begins: texts of 44 characters that JSON calls so. */
function materialsIn(bytes: Buffer): number[] {
  const places: number[] = [];
  const member = '"material"';
  for (let found = bytes.indexOf(member); found >= 0; found = bytes.indexOf(member, found + 1)) {
    const after = (start: number): number => {
      let at = start;
      while (space.has(bytes[at]!)) at++;
      return at;
    };
    const separator = after(found + member.length);
    const opening = after(separator + 1);
    if (bytes[separator] === colon && bytes[opening] === quote && bytes[opening + 1 + materialLength] === quote) places.push(opening + 1);
  }
  return places;
}
