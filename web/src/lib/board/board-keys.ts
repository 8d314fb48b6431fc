/** Moves the focus among the board's cards: j and k within a column, h and l between columns. Answers whether it did. */
export function moveOnBoard(key: string, root: ParentNode): boolean {
  const columns = [...root.querySelectorAll<HTMLElement>('[data-column]')]
    .map((column) => [...column.querySelectorAll<HTMLElement>('[data-card]')].filter(isShown))
    .filter((cards) => cards.length > 0);
  if (columns.length === 0) return false;
  const focused = document.activeElement;
  const x = columns.findIndex((cards) => cards.some((card) => card === focused));
  const y = x < 0 ? -1 : (columns[x] ?? []).findIndex((card) => card === focused);
  const target = x < 0 ? columns[0]?.[0] : neighbour(columns, x, y, key);
  target?.focus();
  target?.scrollIntoView({ block: 'nearest' });
  return target !== undefined;
}

function neighbour(columns: HTMLElement[][], x: number, y: number, key: string): HTMLElement | undefined {
  const clamp = (value: number, length: number) => Math.min(Math.max(value, 0), length - 1);
  const toX = clamp(x + (key === 'l' ? 1 : key === 'h' ? -1 : 0), columns.length);
  const column = columns[toX] ?? [];
  return column[clamp(y + (key === 'j' ? 1 : key === 'k' ? -1 : 0), column.length)];
}

function isShown(element: HTMLElement): boolean {
  return element.offsetParent !== null;
}
