/**
 * @since 0.1.0
 */
export * as HttpPolicy from "./policy/HttpPolicy.js"
/**
 * @since 0.1.0
 */
export * as Route from "./Route.js"
/**
 * @since 0.1.0
 */
export * as RouterError from "./RouterError.js"
