/**
 * Replaces what stands between the markers of a section of a document: `<!-- figures: written by bench/document.ts -->` and
 * `<!-- end of figures -->` for the section `figures`.
 *
 * @throws {Error} when the document does not have each marker once, in order
 */
export function betweenMarkers(document: string, section: string, content: string): string {
  const begin = `<!-- ${section}: written by bench/document.ts -->`;
  const end = `<!-- end of ${section} -->`;
  const [before, rest, ...more] = document.split(begin);
  const [, after, ...others] = (rest ?? '').split(end);
  if (before === undefined || after === undefined || more.length > 0 || others.length > 0) {
    throw new Error(`the document must have ${begin} and after it ${end}, once each`);
  }
  return `${before}${begin}\n\n${content}\n\n${end}${after}`;
}
