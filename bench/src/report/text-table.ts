/** A column of a text table. */
export interface Column {
  readonly head: string;
  readonly align: 'left' | 'right';
}

/** Lines of a table with aligned columns; cells that are missing are empty. */
export function textTable(columns: readonly Column[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columns.map((column, at) => Math.max(column.head.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, at) => {
        const cell = cells[at] ?? '';
        const width = widths[at] ?? 0;
        return column.align === 'right' ? cell.padStart(width) : cell.padEnd(width);
      })
      .join('  ')
      .trimEnd();
  return [
    line(columns.map((column) => column.head)),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map((row) => line(row)),
  ];
}
