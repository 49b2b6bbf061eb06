import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as RouterError from "../RouterError.js"

/** A finite duration of 0 or more. */
export const millis = (path: string, input: Duration.DurationInput): number => {
  const duration = Duration.decodeUnknown(input)
  // decoding makes 0 of these two
  const nonsense = typeof input === "number" && !(input >= 0)
  if (Option.isNone(duration) || nonsense || !Duration.isFinite(duration.value)) {
    throw RouterError.invalidField(path, "expected a finite duration of 0 or more")
  }
  return Duration.toMillis(duration.value)
}

/** A finite duration that is longer than 0. */
export const positiveMillis = (path: string, input: Duration.DurationInput): number => {
  const value = millis(path, input)
  if (value === 0) {
    throw RouterError.invalidField(path, "expected a duration longer than 0")
  }
  return value
}

/** How often something has to happen; `Infinity` is never often enough. */
export const count = (path: string, value: number): number => {
  if (value !== Infinity && (!Number.isInteger(value) || value < 1)) {
    throw RouterError.invalidField(path, "expected a whole number of 1 or more, or Infinity")
  }
  return value
}

/** More than none, at most all. */
export const ratio = (path: string, value: number): number => {
  if (!(value > 0 && value <= 1)) {
    throw RouterError.invalidField(path, "expected a number above 0 and at most 1")
  }
  return value
}
