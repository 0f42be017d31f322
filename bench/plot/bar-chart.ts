/** Bars that stand together. */
export interface Group {
  readonly name: string;
  /** One for each series; undefined where there is none. */
  readonly values: readonly (number | undefined)[];
}

export interface BarChart {
  readonly title: string;
  readonly series: readonly string[];
  readonly groups: readonly Group[];
  /** A value that all others are read against. */
  readonly line: { readonly at: number; readonly name: string };
}

/** Of middle brightness, to be read on white and on black. */
const colours = ['#8c959f', '#b08800', '#9a6fb0', '#2f81f7', '#1a9e8f', '#57ab5a'];
const ink = '#7d8590';
const faint = '#7d859044';

const left = 44;
const top = 74;
const plotHeight = 260;
const bottom = 40;
const right = 64;
const barWidth = 24;
const groupGap = 30;

/** A grouped bar chart as an SVG document without a background, for light pages and dark ones. */
export function barChart({ title, series, groups, line }: BarChart): string {
  const groupWidth = series.length * barWidth;
  const width = left + groups.length * (groupWidth + groupGap) + right;
  const height = top + plotHeight + bottom;
  const largest = Math.max(line.at, ...groups.flatMap(({ values }) => values.map((value) => value ?? 0)));
  const step = largest > 6 ? 2 : largest > 2 ? 1 : 0.5;
  const ceiling = Math.ceil((largest * 1.04) / step) * step;
  const y = (value: number): number => top + plotHeight - (value / ceiling) * plotHeight;
  const parts: string[] = [text(left, 20, title, { size: 15, weight: 600 })];

  let legendX = left;
  for (const [index, name] of series.entries()) {
    parts.push(`<rect x="${legendX}" y="36" width="11" height="11" rx="2" fill="${colours[index % colours.length]}"/>`);
    parts.push(text(legendX + 16, 46, name, {}));
    legendX += 28 + name.length * 6.6;
  }
  for (let value = 0; value <= ceiling + step / 2; value += step) {
    parts.push(`<line x1="${left}" x2="${width - right}" y1="${coordinate(y(value))}" y2="${coordinate(y(value))}" stroke="${faint}"/>`);
    parts.push(text(left - 8, y(value) + 4, String(value), { anchor: 'end' }));
  }
  // Behind the bars and their figures.
  const at = coordinate(y(line.at));
  parts.push(`<line x1="${left}" x2="${width - right}" y1="${at}" y2="${at}" stroke="${ink}" stroke-width="1.5" stroke-dasharray="5 4"/>`);
  parts.push(text(width - right + 6, y(line.at) + 4, line.name, {}));
  for (const [place, group] of groups.entries()) {
    const from = left + groupGap / 2 + place * (groupWidth + groupGap);
    for (const [index, value] of group.values.entries()) {
      if (value === undefined) continue;
      const x = from + index * barWidth;
      parts.push(
        `<rect x="${x + 1}" y="${coordinate(y(value))}" width="${barWidth - 3}" height="${coordinate(y(0) - y(value))}" rx="2" fill="${colours[index % colours.length]}"><title>${escaped(`${series[index]}, ${group.name}: ${value.toFixed(2)}`)}</title></rect>`,
      );
      parts.push(text(x + barWidth / 2 - 0.5, y(value) - 5, value.toFixed(value < 10 ? 1 : 0), { anchor: 'middle', size: 10 }));
    }
    parts.push(text(from + groupWidth / 2, top + plotHeight + 22, group.name, { anchor: 'middle', size: 13 }));
  }

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif">`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

interface TextStyle {
  readonly anchor?: 'middle' | 'end';
  readonly size?: number;
  readonly weight?: number;
}

function text(x: number, y: number, content: string, { anchor, size = 12, weight }: TextStyle): string {
  const extra = `${anchor === undefined ? '' : ` text-anchor="${anchor}"`}${weight === undefined ? '' : ` font-weight="${weight}"`}`;
  return `<text x="${coordinate(x)}" y="${coordinate(y)}" font-size="${size}" fill="${ink}"${extra}>${escaped(content)}</text>`;
}

function coordinate(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
