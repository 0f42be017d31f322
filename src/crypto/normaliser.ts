/**
 * What a blind index takes two texts to be the same by:
 *
 * | | equal are |
 * |---|---|
 * | `exact` | the same characters |
 * | `unicode` | the same text, however its characters are composed (NFKC): `é` in one or two, `ﬁ` and `fi`, full-width letters |
 * | `case` | as `unicode`, in whichever case: `Straße` and `STRASSE` |
 * | `alphanumeric` | as `case`, letters and numbers only: `DE89 3704` and `de89-3704` |
 * | `digits` | as `unicode`, digits only: `+49 (170) 12` and `49 170-12` |
 */
export type Normaliser = 'exact' | 'unicode' | 'case' | 'alphanumeric' | 'digits';

/** Upper case, since lower case depends on a letter's place: the final sigma. Upper case may decompose again. */
function folded(text: string): string {
  return text.normalize('NFKC').toUpperCase().normalize('NFKC');
}

/** The functions never change: tags that were stored are compared with what they give today. */
export const normalisers: Readonly<Record<Normaliser, (text: string) => string>> = Object.freeze({
  exact: (text) => text,
  unicode: (text) => text.normalize('NFKC'),
  case: folded,
  alphanumeric: (text) => folded(text).replaceAll(/[^\p{Letter}\p{Mark}\p{Number}]/gu, ''),
  digits: (text) => text.normalize('NFKC').replaceAll(/[^\p{Decimal_Number}]/gu, ''),
});
