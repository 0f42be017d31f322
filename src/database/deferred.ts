import { inspect } from 'node:util';
import type { TagDefinition } from '../crypto/blind-tag.ts';
import type { ColumnPlace } from '../crypto/column-codec.ts';
import { NotSupportedError } from '../errors.ts';

/**
 * A parameter whose value is known only when the statement runs: whose tenant, which key. It survives `.prepare()`, so that one prepared
 * query serves many tenants. It never turns itself into text: a value that skipped the executor would be one that nobody checked.
 */
export abstract class Deferred {
  protected abstract readonly label: string;

  toString(): string {
    throw new NotSupportedError(`A ${this.label} can't be written into a statement's text.`, {
      hint: 'Leave it a parameter: no inlineParams() here, no string templates.',
    });
  }

  toJSON(): string {
    return `[${this.label}]`;
  }

  [inspect.custom](): string {
    return `[${this.label}]`;
  }
}

/** The executing tenant's id. */
export class ExecutingTenantId extends Deferred {
  protected readonly label = 'tenant id';
}

/** A tenant id that the caller wrote: it must be the executing tenant's. */
export class GivenTenantId extends Deferred {
  protected readonly label = 'given tenant id';
  readonly #value: unknown;

  constructor(value: unknown) {
    super();
    this.#value = value;
  }

  get value(): unknown {
    return this.#value;
  }
}

/** A tenant_id computed by SQL, which can't be compared before it runs: always refused. */
export class ComputedTenantId extends Deferred {
  protected readonly label = 'computed tenant id';
}

/** A plaintext on its way into an encrypted column. */
export class EncryptedValue extends Deferred {
  protected readonly label = 'encrypted value';
  readonly place: ColumnPlace;
  /** The multiple, in bytes, that the plaintext's length is rounded up to. */
  readonly padTo: number | undefined;
  readonly #plaintext: Buffer;

  constructor(place: ColumnPlace, plaintext: Buffer, padTo?: number) {
    super();
    this.place = place;
    this.padTo = padTo;
    this.#plaintext = plaintext;
  }

  get plaintext(): Buffer {
    return this.#plaintext;
  }
}

/** A plaintext on its way into a blind index, or compared with one: its tag is made of it. */
export class BlindIndexValue extends Deferred {
  protected readonly label = 'blind index value';
  readonly definition: TagDefinition;
  readonly #plaintext: Buffer;

  /** @param plaintext normalised */
  constructor(definition: TagDefinition, plaintext: Buffer) {
    super();
    this.definition = definition;
    this.#plaintext = plaintext;
  }

  get plaintext(): Buffer {
    return this.#plaintext;
  }
}

export const executingTenantId = new ExecutingTenantId();
