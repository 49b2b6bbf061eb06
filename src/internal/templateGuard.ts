import { limit } from "./templateFailure.js"
import { maxTemplateLength, maxWhitespace } from "./templateLimits.js"

/**
 * Throws for a template that a library's parser would take too long for.
 *
 * @internal
 */
export const guard = (text: string): void => {
  if (text.length > maxTemplateLength) throw limit(`the template is longer than ${maxTemplateLength} characters`)
  for (const [run] of text.matchAll(/\s+/g)) {
    if (run.length > maxWhitespace) {
      throw limit(`the template has more than ${maxWhitespace} whitespace characters in a row`)
    }
  }
}
