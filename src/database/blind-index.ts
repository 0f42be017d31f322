import { type Normaliser, normalisers } from '../crypto/normaliser.ts';
import { ConfigurationError } from '../errors.ts';

const leastBits = 2;
const mostBits = 64;

/** What {@link blindIndex} takes. */
export interface BlindIndexOptions {
  /** What texts are taken to be the same by; `exact` unless told. Numbers, dates and bytes know nothing else. */
  readonly normalise?: Normaliser | undefined;
  /**
   * Keeps so many bits of each tag only, from 2 to 64, so that several values share one and equal tags tell less. Rows are then filtered by
   * their plaintext after they were read, which few queries allow (docs/encryption.md, "Truncated"). The whole tag unless told.
   */
  readonly bits?: number | undefined;
  /** A name under which columns share one index, so that they can be joined. Which of their values are equal then shows. Each its own unless told. */
  readonly name?: string | undefined;
}

/** A column's blind index, as {@link blindIndex} declares it. */
export class BlindIndex {
  readonly normalise: Normaliser;
  readonly bits: number | undefined;
  readonly name: string | undefined;

  constructor({ normalise = 'exact', bits, name }: BlindIndexOptions) {
    if (!Object.hasOwn(normalisers, normalise)) {
      throw new ConfigurationError('A blind index has an unknown normaliser.', {
        hint: `Use one of ${Object.keys(normalisers).join(', ')}.`,
      });
    }
    if (bits !== undefined && (!Number.isInteger(bits) || bits < leastBits || bits > mostBits)) {
      throw new ConfigurationError('A blind index has a width that it can’t be truncated to.', {
        hint: `Give bits from ${leastBits} to ${mostBits}, or leave them out.`,
      });
    }
    if (name !== undefined && (name === '' || /\p{Surrogate}/u.test(name))) {
      throw new ConfigurationError('A blind index shares an empty name.', { hint: 'Give both columns the same name, such as "iban".' });
    }
    if (name !== undefined && bits !== undefined) {
      throw new ConfigurationError('A truncated blind index is shared.', {
        hint: 'Leave bits out where columns are joined: equal tags of a truncated index are no equal values.',
      });
    }
    this.normalise = normalise;
    this.bits = bits;
    this.name = name;
    Object.freeze(this);
  }
}

/**
 * Makes an encrypted column searchable: beside each value a tag is stored, in a `bytea` column named like it with `_index` behind, that equal
 * values of one tenant and column have in common (HMAC-SHA-256 under a key of the tenant's own, which rotating data keys leaves alone).
 * Inserts, updates and upserts write it; `eq`, `ne`, `inArray`, `notInArray`, joins over a shared `name`, `uniqueWithinTenant` and conflict
 * targets use it through the column itself. Who reads the table sees which rows have equal values, and how many: see docs/encryption.md,
 * "What an index tells", before using one for values of which there are few.
 *
 * @throws {ConfigurationError} on an unknown normaliser, a width out of range, an empty name, or a name together with a width
 * @example
 * ```ts
 * const products = tenantTable('products', {
 *   supplierIban: encryptedText('supplier_iban', { index: blindIndex({ normalise: 'alphanumeric' }) }),
 * });
 * await tenancy.db.select().from(products).where(eq(products.supplierIban, 'DE89 3704 …'));
 * ```
 */
export function blindIndex(options: BlindIndexOptions = {}): BlindIndex {
  return new BlindIndex(options);
}
