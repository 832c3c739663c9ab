import Table from 'cli-table3';

export type Row = { readonly [column: string]: string };

/** A table with the columns of its first row; nothing without rows. */
export function table(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return '';
  const plain = { head: [], border: [] };
  const head = Object.keys(first);
  const drawn = new Table({ head, style: plain, chars: BORDERLESS });
  drawn.push(...rows.map((row) => head.map((column) => row[column] ?? '')));
  return drawn.toString();
}

/** A share, as a cell has it. */
export function percent(share: number, digits = 2): string {
  return `${(share * 100).toFixed(digits)} %`;
}

const BORDERLESS = Object.fromEntries(
  'top top-mid top-left top-right bottom bottom-mid bottom-left bottom-right left left-mid mid mid-mid right right-mid'
    .split(' ')
    .map((part) => [part, ''])
    .concat([['middle', '  ']]),
);
