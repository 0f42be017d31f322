import { randomBytes } from 'node:crypto';
import type { EncodedParameter } from './parameters.ts';
import type { RowDecoder } from './row-decoder.ts';

/** A statement as the server keeps it: its name, and what it was described as. */
export class PreparedStatement {
  readonly key: string;
  readonly name: string;
  /** What a Bind begins with: the portal's name, the statement's, and that all parameters are text. */
  readonly bindHead: Uint8Array;
  /** Known once the server has parsed and described it; until then it may turn out never to have existed. */
  decoder: RowDecoder | undefined;
  /** Whether its Parse was written. */
  sent = false;
  /** Whether ParseComplete was seen. */
  parsed = false;
  usedAt = 0;

  constructor(key: string, name: string) {
    this.key = key;
    this.name = name;
    this.bindHead = Buffer.from(`\0${name}\0\0\0`, 'latin1');
  }
}

/**
 * The statements that one connection keeps prepared: one for each text with each list of parameter types. A name is never used twice,
 * so that a message can't meet another statement than the one that it was written for.
 */
export class PreparedStatements {
  readonly #limit: number;
  readonly #byKey = new Map<string, PreparedStatement>();
  /** Others that share the session can't guess which names come. */
  readonly #prefix = `t${randomBytes(6).toString('hex')}_`;
  /** Names that the server may still hold although nobody will use them. */
  #abandoned: string[] = [];
  #made = 0;
  #uses = 0;

  /** @param limit how many are kept, at least 4; the one used longest ago goes first */
  constructor(limit: number) {
    this.#limit = Math.max(limit, 4);
  }

  get size(): number {
    return this.#byKey.size;
  }

  /** The statement for a text with parameters of these types; one that is new must be parsed by whoever asked for it. */
  use(text: string, params: readonly EncodedParameter[]): PreparedStatement {
    const key = keyOf(text, params);
    let statement = this.#byKey.get(key);
    if (statement === undefined) {
      if (this.#byKey.size >= this.#limit) this.#evict();
      statement = new PreparedStatement(key, `${this.#prefix}${++this.#made}`);
      this.#byKey.set(key, statement);
    }
    statement.usedAt = ++this.#uses;
    return statement;
  }

  /** The next use of its text parses anew, under a new name. */
  giveUp(statement: PreparedStatement): void {
    if (this.#byKey.get(statement.key) !== statement) return;
    this.#byKey.delete(statement.key);
    this.#abandoned.push(statement.name);
  }

  giveUpAll(): void {
    for (const statement of [...this.#byKey.values()]) this.giveUp(statement);
  }

  /** Names to be closed with the next message; each is told once. */
  abandoned(): readonly string[] {
    if (this.#abandoned.length === 0) return none;
    const names = this.#abandoned;
    this.#abandoned = [];
    return names;
  }

  #evict(): void {
    let oldest: PreparedStatement | undefined;
    for (const statement of this.#byKey.values()) if (oldest === undefined || statement.usedAt < oldest.usedAt) oldest = statement;
    if (oldest !== undefined) this.giveUp(oldest);
  }
}

const none: readonly string[] = [];

function keyOf(text: string, params: readonly EncodedParameter[]): string {
  for (let index = 0; index < params.length; index++) {
    const param = params[index];
    if (param !== null && typeof param === 'object') return `${params.map(oidOf).join(',')}\0${text}`;
  }
  return text;
}

/** 0 lets the server infer the type. */
export function oidOf(param: EncodedParameter): number {
  return param !== null && typeof param === 'object' ? param.oid : 0;
}
