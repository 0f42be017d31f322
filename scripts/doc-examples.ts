/** Reads a file of the repository by its path from the root, or answers undefined. */
export type ReadExample = (path: string) => Promise<string | undefined>;

/*
 * Code in the documentation is code that runs. A marker names its source:
 *
 *   <!-- example: examples/service/service.ts -->          the whole file
 *   <!-- example: examples/service/service.ts#orders -->   what stands between `// #region orders` and `// #endregion orders`
 *
 * and the fenced block after it is a copy of that source, which `check-docs --write` makes and the tests compare.
 */
const MARKED = /<!-- example: ([^\s#]+)(?:#([\w-]+))? -->\n(?:```\w*\n[\s\S]*?\n```\n?)?/g;

/** The document with every marked block filled in from its source. */
export async function withExamples(
  document: string,
  read: ReadExample,
): Promise<{ readonly text: string; readonly problems: readonly string[] }> {
  const problems: string[] = [];
  const parts: string[] = [];
  let at = 0;
  for (const match of document.matchAll(MARKED)) {
    const [whole, path, region] = match;
    parts.push(document.slice(at, match.index));
    at = match.index + whole.length;
    const source = await read(path!);
    const code = source === undefined ? undefined : region === undefined ? withoutRegions(source) : regionOf(source, region);
    if (code === undefined) {
      problems.push(source === undefined ? `${path} does not exist` : `${path} has no region ${region}`);
      parts.push(whole);
    } else {
      const marker = `<!-- example: ${path}${region === undefined ? '' : `#${region}`} -->`;
      parts.push(`${marker}\n\`\`\`${path!.split('.').at(-1)}\n${code.trim()}\n\`\`\`\n`);
    }
  }
  parts.push(document.slice(at));
  return { text: parts.join(''), problems };
}

function regionOf(source: string, name: string): string | undefined {
  const lines = source.split('\n');
  const from = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  const to = lines.findIndex((line) => line.trim() === `// #endregion ${name}`);
  return from < 0 || to < from ? undefined : dedent(lines.slice(from + 1, to).filter((line) => !isMarker(line)));
}

function withoutRegions(source: string): string {
  return source
    .split('\n')
    .filter((line) => !isMarker(line))
    .join('\n');
}

function isMarker(line: string): boolean {
  return /^\s*\/\/ #(region|endregion)\b/.test(line);
}

function dedent(lines: readonly string[]): string {
  const indent = Math.min(...lines.filter((line) => line.trim() !== '').map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent)).join('\n');
}
