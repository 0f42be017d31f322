import { NotSupportedError } from '../errors.ts';
import { CompiledQuery } from './compiled-query.ts';
import { executingTenantId } from './deferred.ts';
import { inlineLiteral } from './inline-literal.ts';
import type { RowFilter } from './truncated-match.ts';

/** A statement as it is written: its text, open where the tenant's schema belongs, and its parameters. */
export class StatementText {
  readonly #segments: string[] = [];
  readonly #params: unknown[] = [];
  readonly #rowFilters: RowFilter[] = [];
  #text = '';
  #inline = 0;
  /** The tenant's id is one parameter, however often it stands in the text. */
  #tenantIdAt = 0;
  #touchesEncrypted = false;

  /** How many parameters it has so far. */
  get paramCount(): number {
    return this.#params.length;
  }

  /** What stands before, since the last place that is open. */
  get tail(): string {
    return this.#text;
  }

  /** @throws {NotSupportedError} on a NUL: PostgreSQL's protocol ends a statement there, and what follows would be read as another message */
  raw(text: string): void {
    if (text.includes('\0')) throw new NotSupportedError('The SQL text holds a NUL character.', { hint: 'Pass values as parameters.' });
    this.#text += text;
  }

  name(name: string): void {
    this.raw(quoted(name));
  }

  /** Leaves the tenant's schema open; it is filled in when the statement runs. */
  tenantSchema(): void {
    this.#segments.push(this.#text);
    this.#text = '';
  }

  param(value: unknown, cast = ''): void {
    if (this.#inline > 0) {
      this.raw(inlineLiteral(value));
    } else if (value === executingTenantId && this.#tenantIdAt > 0) {
      this.#text += `$${this.#tenantIdAt}${cast}`;
    } else {
      this.#params.push(value);
      if (value === executingTenantId) this.#tenantIdAt = this.#params.length;
      this.#text += `$${this.#params.length}${cast}`;
    }
  }

  /** Parameters within are written as literals. */
  inlined(write: () => void): void {
    this.#inline += 1;
    write();
    this.#inline -= 1;
  }

  /** Notes that it needs the tenant's keys. */
  touchEncrypted(): void {
    this.#touchesEncrypted = true;
  }

  /** Notes that rows are to be looked at once more when they have come. */
  filterRows(filter: RowFilter): void {
    this.#rowFilters.push(filter);
  }

  compiled(): CompiledQuery {
    return new CompiledQuery([...this.#segments, this.#text], this.#params, this.#touchesEncrypted, this.#rowFilters);
  }
}

/** Whatever the name: an alias may be longer than PostgreSQL's names, which cuts it off. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
