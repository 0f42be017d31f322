import { NotSupportedError } from '../errors.ts';
import { arrayLiteral } from './array-literal.ts';

/** A parameter as it travels: text, NULL, or text with the type that it was a value of. */
export type EncodedParameter = string | null | TypedParameter;

export interface TypedParameter {
  readonly text: string;
  readonly oid: number;
}

/** The protocol counts parameters in 16 bits; postgres.js throws in the middle of a pipeline from here on. */
export const maxParameters = 65_533;
/** Characters of all parameters of a statement together: PostgreSQL refuses messages above 1 GiB, and a character takes up to 3 bytes. */
export const maxParameterLength = 256 * 1024 * 1024;

const boolType = 16;
const byteaType = 17;
const int8Type = 20;
const timestamptzType = 1184;

/**
 * Turns values into text before the driver sees them, typed as postgres.js infers it: what fails fails here, before anything of the
 * unit is written. Objects become JSON, arrays become `{…}`.
 *
 * @throws {NotSupportedError} when a value can't travel, or there are too many of them; the message names its position, never the value
 */
export function encodeParameters(values: readonly unknown[], tenantId: string): EncodedParameter[] {
  if (values.length > maxParameters) {
    throw new NotSupportedError(`A statement of tenant ${tenantId} has ${values.length} parameters; PostgreSQL takes ${maxParameters}.`, {
      tenantId,
      hint: 'Send it in batches.',
    });
  }
  let length = 0;
  const encoded = values.map((value, index) => {
    const parameter = encodeParameter(value, index, tenantId);
    length += parameter === null ? 0 : typeof parameter === 'string' ? parameter.length : parameter.text.length;
    return parameter;
  });
  if (length > maxParameterLength) {
    throw new NotSupportedError(
      `A statement of tenant ${tenantId} has parameters of ${length} characters; at most ${maxParameterLength} can be sent.`,
      {
        tenantId,
        hint: 'Send it in batches.',
      },
    );
  }
  return encoded;
}

function encodeParameter(value: unknown, index: number, tenantId: string): EncodedParameter {
  if (value === null || typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return { text: value ? 't' : 'f', oid: boolType };
  if (typeof value === 'bigint') return { text: String(value), oid: int8Type };
  if (value instanceof Date && !Number.isNaN(value.getTime())) return { text: value.toISOString(), oid: timestamptzType };
  if (value instanceof Uint8Array) return { text: hexOf(value), oid: byteaType };
  if (Array.isArray(value)) {
    return arrayLiteral(value, (element) => {
      const encoded = encodeParameter(element, index, tenantId);
      return encoded === null || typeof encoded === 'string' ? encoded : encoded.text;
    });
  }
  const json = typeof value === 'object' && !(value instanceof Date) ? jsonOf(value) : undefined;
  if (json !== undefined) return json;
  throw new NotSupportedError(`Parameter $${index + 1} of a statement of tenant ${tenantId} is ${nameOf(value)}.`, {
    tenantId,
    hint: 'Pass null, a string, number, boolean, bigint, Date, Uint8Array, array or a plain object.',
  });
}

function jsonOf(value: object): string | undefined {
  try {
    return JSON.stringify(value) as string | undefined;
  } catch {
    return undefined;
  }
}

function nameOf(value: unknown): string {
  if (value instanceof Date) return 'an invalid Date';
  return typeof value === 'object' ? 'an object that has no JSON' : value === undefined ? 'undefined' : `a ${typeof value}`;
}

function hexOf(bytes: Uint8Array): string {
  return `\\x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`;
}
