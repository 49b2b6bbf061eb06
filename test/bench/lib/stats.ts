/** What becomes of many figures. */

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => [...values].sort((a, b) => a - b)

/** The value that a part of all is at or below: `0.5` is the median. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const all = sorted(values)
  const position = (all.length - 1) * part
  const below = all[Math.floor(position)] ?? NaN
  const above = all[Math.ceil(position)] ?? NaN
  return below + (above - below) * (position - Math.floor(position))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** Half of the range that the middle half of the rounds lies in, as a part of the median: a round that was held up moves it little. */
export const spread = (values: ReadonlyArray<number>): number =>
  (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values)
