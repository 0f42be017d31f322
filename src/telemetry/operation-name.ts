const known: ReadonlySet<string> = new Set(
  'select insert update delete with values table declare fetch close copy set show explain call do notify listen unlisten create refresh analyze vacuum'.split(
    ' ',
  ),
);

/** The command that a text begins with; only words of PostgreSQL's are told, never another of the text's. */
export function operationName(text: string): string | undefined {
  const word = /^[\s(]*([a-z]+)\b/i.exec(text.slice(0, 200))?.[1]?.toLowerCase();
  return word !== undefined && known.has(word) ? word.toUpperCase() : undefined;
}
