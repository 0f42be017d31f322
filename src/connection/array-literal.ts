/** Writes an array as PostgreSQL's `{…}`; nested arrays become dimensions. */
export function arrayLiteral(values: readonly unknown[], textOf: (value: unknown) => string | null): string {
  const parts = values.map((value) => {
    if (Array.isArray(value)) return arrayLiteral(value, textOf);
    const text = textOf(value);
    return text === null ? 'NULL' : `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
  });
  return `{${parts.join(',')}}`;
}

/** Reads `{…}`; an unquoted NULL is null. Never throws: what it can't read is returned as the text it was. */
export function parseArrayLiteral(text: string, parse: (element: string) => unknown, delimiter = ','): unknown {
  // Lower bounds other than 1 are written in front: [0:2]={…}.
  const start = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  if (text[start] !== '{') return text;
  let index = start;

  const readQuoted = (): string => {
    let value = '';
    for (index++; index < text.length && text[index] !== '"'; index++) {
      if (text[index] === '\\') index++;
      value += text[index];
    }
    index++;
    return value;
  };
  const readBare = (): string => {
    const from = index;
    while (index < text.length && text[index] !== delimiter && text[index] !== '}') index++;
    return text.slice(from, index);
  };
  const readArray = (): unknown[] => {
    const elements: unknown[] = [];
    index++;
    while (index < text.length && text[index] !== '}') {
      if (text[index] === '{') elements.push(readArray());
      else if (text[index] === '"') elements.push(parse(readQuoted()));
      else {
        const bare = readBare();
        elements.push(bare === 'NULL' ? null : parse(bare));
      }
      if (text[index] === delimiter) index++;
    }
    index++;
    return elements;
  };
  return readArray();
}
