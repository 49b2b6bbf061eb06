/**
 * How long a template of the engines with control flow (mustache, jinja) may be, in UTF-16 units: 256 Ki. Prompts are far
 * shorter; what is long belongs into a variable, which has no such limit.
 *
 * @internal
 */
export const maxTemplateLength = 2 ** 18

/**
 * How long a run of whitespace in such a template may be. The parsers of both libraries search for whitespace from every
 * character of a run again, so that a long run costs its length squared.
 *
 * @internal
 */
export const maxWhitespace = 1_000

/**
 * How long a mustache template with other delimiters may be: 8 Ki UTF-16 units. Its parser searches the rest of the text
 * at every tag then.
 *
 * @internal
 */
export const maxDelimitedLength = 2 ** 13

/**
 * How long the texts of one rendering may become together, in UTF-16 units: 16 Mi, more than any model reads.
 *
 * @internal
 */
export const maxOutput = 2 ** 24

/**
 * How deep blocks, expressions, calls and values may be nested.
 *
 * @internal
 */
export const maxDepth = 200

/**
 * How much work one rendering may be, about as many nanoseconds: 50,000,000, so that no template stops the thread for
 * much longer than a heavy garbage collection would. It is 50,000 iterations, or 250,000 expressions.
 *
 * @internal
 */
export const maxWork = 50_000_000

/** @internal */
export const iterationWork = 1_000

/** @internal */
export const expressionWork = 200

/** @internal */
export const memberWork = 10
