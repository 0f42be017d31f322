/** One way in which a secret may lie somewhere. */
export interface SecretForm {
  /** Such as `acme's data key as base64`. */
  readonly name: string;
  readonly bytes: Buffer;
}

/**
 * The forms in which a secret is looked for: its bytes, and as hexadecimal digits and base64 (wherever it begins in what is encoded). What
 * is text is looked for in UTF-16 as well, as V8 and heaps have it.
 *
 * @param secret text, or the bytes of a key
 */
export function secretForms(name: string, secret: string | Buffer): readonly SecretForm[] {
  const bytes = Buffer.from(secret as string);
  const hex = bytes.toString('hex');
  const texts: [string, string][] = [
    ['hex', hex],
    ['HEX', hex.toUpperCase()],
    ...[0, 1, 2].map((shift): [string, string] => [`base64, ${shift} bytes in`, base64Within(bytes, shift)]),
    ['base64url', bytes.toString('base64url').slice(0, -2)],
  ];
  if (typeof secret === 'string') texts.push(['text', secret]);
  else texts.push(['numbers', bytes.join(',')], ['spaced hex', hex.match(/../g)!.join(' ')]);
  return [
    ...(typeof secret === 'string' ? [] : [{ name: `${name} as bytes`, bytes }]),
    ...texts.flatMap(([form, text]) => [
      { name: `${name} as ${form}`, bytes: Buffer.from(text, 'utf8') },
      { name: `${name} as ${form} in UTF-16`, bytes: Buffer.from(text, 'utf16le') },
    ]),
  ];
}

/** The characters that depend on these bytes alone, when so many others stand before them. */
function base64Within(bytes: Buffer, shift: number): string {
  const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString('base64');
  return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.byteLength) * 8) / 6));
}

/** The names of the forms that are found in these bytes. */
export function formsIn(bytes: Buffer, forms: readonly SecretForm[]): string[] {
  return forms.filter((form) => bytes.includes(form.bytes)).map(({ name }) => name);
}
