/**
 * The number and text schemas that the request is made of. Each carries one description of its whole range, because
 * that description is what an `InvalidRequest` shows.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * @since 0.1.0
 * @category schemas
 */
export const nonEmpty = Schema.NonEmptyString.annotations({ description: "a non-empty string" })

/**
 * Any number except NaN and the infinities, which JSON cannot carry.
 *
 * @since 0.1.0
 * @category schemas
 */
export const finite = Schema.Finite.annotations({ description: "a finite number" })

/**
 * @since 0.1.0
 * @category schemas
 */
export const integer = Schema.Int.annotations({ description: "an integer" })

/**
 * @since 0.1.0
 * @category schemas
 */
export const integerFrom = (minimum: number) =>
  Schema.Int.pipe(Schema.greaterThanOrEqualTo(minimum, { description: `an integer of at least ${minimum}` }))

/**
 * @since 0.1.0
 * @category schemas
 */
export const integerBetween = (minimum: number, maximum: number) =>
  Schema.Int.pipe(Schema.between(minimum, maximum, { description: `an integer from ${minimum} to ${maximum}` }))

/**
 * @since 0.1.0
 * @category schemas
 */
export const numberFrom = (minimum: number) =>
  Schema.Finite.pipe(Schema.greaterThanOrEqualTo(minimum, { description: `a number of at least ${minimum}` }))

/**
 * @since 0.1.0
 * @category schemas
 */
export const numberBetween = (minimum: number, maximum: number) =>
  Schema.Finite.pipe(Schema.between(minimum, maximum, { description: `a number from ${minimum} to ${maximum}` }))

/**
 * A map whose members are the caller's own and are never renamed.
 *
 * @since 0.1.0
 * @category schemas
 */
export const freeForm = Schema.Record({ key: Schema.String, value: Schema.Unknown })

/**
 * A member that may be absent, `undefined` or `null`.
 *
 * @since 0.1.0
 * @category combinators
 */
export const nullable = <A, I, R>(schema: Schema.Schema<A, I, R>) => Schema.optional(Schema.NullOr(schema))
