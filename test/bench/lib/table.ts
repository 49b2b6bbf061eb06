/** Tables in Markdown. */

export type Row = ReadonlyArray<string>

const line = (cells: Row, widths: ReadonlyArray<number>): string =>
  `| ${
    cells.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join(" | ")
  } |`

/** The first column to the left, the others to the right. */
export const table = (head: Row, rows: ReadonlyArray<Row>): string => {
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0), 4))
  const rule = widths.map((width, column) => column === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)
  return [head, rule, ...rows].map((row) => line(row, widths)).join("\n")
}

/** Three digits that count, and no more. */
export const number = (value: number): string =>
  !Number.isFinite(value)
    ? "–"
    : Math.abs(value) >= 100
    ? Math.round(value).toLocaleString("en")
    : Math.abs(value) >= 10
    ? value.toFixed(1)
    : value.toFixed(2)

export const times = (ratio: number): string => Number.isFinite(ratio) ? `${number(ratio)}×` : "–"

export const percent = (part: number): string => Number.isFinite(part) ? `±${Math.round(part * 100)} %` : "–"
