/**
 * Whether `JSON.stringify` writes an object by its own members: object literals and instances of classes, but not a `Date`, a `Map` or
 * whatever else has a serialisation of its own.
 */
export const isPlainObject = (value: object): value is { readonly [member: string]: unknown } => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
    || (Object.prototype.toString.call(value) === "[object Object]"
      && !("toJSON" in value && typeof value.toJSON === "function"))
}
