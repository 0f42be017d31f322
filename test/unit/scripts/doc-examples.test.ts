import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { withExamples } from '../../../scripts/doc-examples.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const files: Record<string, string> = {
  'examples/a.ts':
    '// #region one\nconst a = 1;\n// #endregion one\n\nif (a) {\n  // #region two\n  run();\n\n    deeper();\n  // #endregion two\n}\n',
};
const read = async (path: string): Promise<string | undefined> => files[path];

describe('withExamples', () => {
  test('fills in a whole file, without its markers, and keeps what stands around', async () => {
    const { text, problems } = await withExamples('before\n\n<!-- example: examples/a.ts -->\n\nafter\n', read);
    expect(problems).toEqual([]);
    expect(text).toBe(
      'before\n\n<!-- example: examples/a.ts -->\n```ts\nconst a = 1;\n\nif (a) {\n  run();\n\n    deeper();\n}\n```\n\nafter\n',
    );
  });

  test('fills in a region, moved to the left', async () => {
    const { text } = await withExamples('<!-- example: examples/a.ts#two -->\n```ts\nold();\n```\n', read);
    expect(text).toBe('<!-- example: examples/a.ts#two -->\n```ts\nrun();\n\n  deeper();\n```\n');
  });

  test('changes nothing when it is run again, and leaves unmarked code alone', async () => {
    const { text } = await withExamples(
      '<!-- example: examples/a.ts#one -->\n<!-- example: examples/a.ts#two -->\n\n```sh\nnpm test\n```\n',
      read,
    );
    expect((await withExamples(text, read)).text).toBe(text);
    expect(text).toContain('```sh\nnpm test\n```');
  });

  test('a copy that was edited differs from its source', async () => {
    const edited = '<!-- example: examples/a.ts#one -->\n```ts\nconst a = 2;\n```\n';
    expect((await withExamples(edited, read)).text).not.toBe(edited);
  });

  test('names what is missing', async () => {
    const { problems } = await withExamples('<!-- example: examples/b.ts -->\n<!-- example: examples/a.ts#three -->\n', read);
    expect(problems).toEqual(['examples/b.ts does not exist', 'examples/a.ts has no region three']);
  });
});

test('the code in README and docs is the code of the examples', async () => {
  const names = ['README.md', ...(await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)];
  for (const name of names) {
    const document = await readFile(join(root, name), 'utf8');
    const { text, problems } = await withExamples(document, (path) => readFile(join(root, path), 'utf8').catch(() => undefined));
    expect(problems, name).toEqual([]);
    expect(text, `${name}: run npm run check:docs -- --write`).toBe(document);
  }
});
