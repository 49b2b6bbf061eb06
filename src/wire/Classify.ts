/**
 * What a failed answer means: from a status, headers and a body (or a broken connection) to one of the classes of
 * `RouterError`.
 *
 * The status decides, by `ErrorTable.rows`. A known code or wording decides where providers disagree about the status:
 * billing under 400, 403, 412 and 429, a prompt that is too long under 413, 429 and 500, a wrong key under 400.
 *
 * An error shows nothing that a provider wrote, but a code that looks like one. The body goes along `Redacted`, and
 * neither it nor a header holds a configured secret.
 *
 * @since 0.1.0
 */
import * as HttpClientError from "@effect/platform/HttpClientError"
import type * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as redaction from "../internal/redaction.js"
import * as RouterError from "../RouterError.js"
import * as ErrorEnvelope from "./ErrorEnvelope.js"
import * as ErrorTable from "./ErrorTable.js"
import * as RetryAfter from "./RetryAfter.js"

/**
 * How much of an error's body is kept, in bytes of UTF-8: more than any provider writes, little enough to keep.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxErrorBodyBytes = 65_536

/**
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  /** The target (`provider/model`) that answered. */
  readonly target?: string | undefined
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The body as text. It may be empty, or cut. */
  readonly body: string
  /** The time now, for a `Retry-After` date, in milliseconds since 1970. */
  readonly nowMillis: number
  /** How much of the body the error keeps. Default `maxErrorBodyBytes`. */
  readonly maxBodyBytes?: number | undefined
  /** The credentials that were sent, to be taken out of what came back. */
  readonly secrets?: ReadonlyArray<Redacted.Redacted<string>> | undefined
}

const tagByStatus: ReadonlyMap<number, ErrorTable.Tag> = new Map(
  ErrorTable.rows.flatMap((row) => row.statuses.map((status) => [status, row.tag] as const))
)

const rowByTag: ReadonlyMap<ErrorTable.Tag, ErrorTable.Row> = new Map(ErrorTable.rows.map((row) => [row.tag, row]))

/** `RateLimitError`, `rate_limit` and `rate limit` are one code. */
const normalize = (code: string): string =>
  code.toLowerCase().replace(/[^a-z0-9]/g, "").replace(/(?:error|exception)$/, "")

interface KnownCode {
  readonly tag: ErrorTable.Tag
  readonly status: number
}

const knownCodes: ReadonlyMap<string, KnownCode> = new Map(
  ErrorTable.codes.flatMap(({ codes, status, tag }) => codes.map((code) => [normalize(code), { tag, status }] as const))
)

const known = (envelope: ErrorEnvelope.Envelope): ReadonlyArray<KnownCode> =>
  envelope.codes.flatMap((code) => knownCodes.get(normalize(code)) ?? [])

const statusTag = (status: number): ErrorTable.Tag =>
  tagByStatus.get(status) ?? (status < 500 ? "InvalidRequest" : "Unavailable")

/** The wait that the answer names in its text, for the providers that send no header. */
const namedWait = (envelope: ErrorEnvelope.Envelope): Duration.Duration | undefined => {
  const delay = envelope.retryDelay === undefined ? undefined : RetryAfter.fromDelay(envelope.retryDelay)
  return delay ?? envelope.messages.reduce<Duration.Duration | undefined>(
    (wait, message) => wait ?? RetryAfter.fromText(message),
    undefined
  )
}

/** "Limit 6000, Used 200, Requested 9000": no wait makes that request fit. */
const limitAndRequested = /\blimit:? (\d{1,12}),(?: used:? \d{1,12},)? requested:? (\d{1,12})\b/i

const neverFits = (message: string): boolean => {
  const match = limitAndRequested.exec(message)
  return match !== null && Number(match[2]) > Number(match[1])
}

const wordedTags = (envelope: ErrorEnvelope.Envelope): ReadonlyArray<ErrorTable.Tag> => {
  const perMinute = namedWait(envelope) !== undefined || envelope.codes.includes("RESOURCE_EXHAUSTED")
  const tags = ErrorTable.wordings
    .filter((wording) => !(wording.unlessWait === true && perMinute))
    .filter((wording) => envelope.messages.some((message) => wording.pattern.test(message)))
    .map((wording) => wording.tag)
  return envelope.messages.some(neverFits) ? ["ContextLengthExceeded", ...tags] : tags
}

/** The class of a status and what was said with it. */
const tagOf = (status: number, envelope: ErrorEnvelope.Envelope | undefined): ErrorTable.Tag => {
  if (envelope === undefined) {
    return statusTag(status)
  }
  const refines = (tag: ErrorTable.Tag) => rowByTag.get(tag)?.refines.includes(status) === true
  return known(envelope).find(({ tag }) => refines(tag))?.tag ??
    wordedTags(envelope).find(refines) ??
    statusTag(status)
}

/**
 * The status that an error inside a success stands for: its number, else what its code or its wording says, else 503.
 */
const impliedStatusOf = (envelope: ErrorEnvelope.Envelope | undefined): number => {
  if (envelope === undefined) {
    return 503
  }
  if (envelope.status !== undefined && envelope.status >= 400) {
    return envelope.status
  }
  const codes = known(envelope)
  // "invalid request" is what some providers call everything, a refused key included
  const code = codes.find(({ tag }) => tag !== "InvalidRequest") ?? codes[0]
  const [worded] = code === undefined ? wordedTags(envelope) : []
  return code?.status ?? (worded === undefined ? undefined : rowByTag.get(worded)?.standsFor) ?? 503
}

const identifier = /^[\w.:/-]{1,64}$/

/**
 * The provider's code: not a number that repeats a status, nothing that could be a sentence, nothing that holds a
 * secret.
 */
const codeOf = (
  envelope: ErrorEnvelope.Envelope | undefined,
  literals: ReadonlyArray<string>
): string | undefined =>
  envelope?.codes.find((code) =>
    identifier.test(code) && !/^[1-5]\d\d$/.test(code) && !redaction.containsSecret(code, literals)
  )

interface Fields {
  readonly target: string | undefined
  readonly status: number
  readonly impliedStatus?: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Redacted.Redacted<string>
  readonly code: string | undefined
  readonly retryAfter: Duration.Duration | undefined
}

const constructors: {
  readonly [K in ErrorTable.Tag]: (fields: Fields) => Extract<ErrorTable.AnswerError, { readonly _tag: K }>
} = {
  Unavailable: (fields) => new RouterError.Unavailable(fields),
  Overloaded: (fields) => new RouterError.Overloaded(fields),
  RateLimited: (fields) => new RouterError.RateLimited(fields),
  QuotaExhausted: (fields) => new RouterError.QuotaExhausted(fields),
  Auth: (fields) => new RouterError.Auth(fields),
  NotFound: (fields) => new RouterError.NotFound(fields),
  InvalidRequest: (fields) => new RouterError.InvalidRequest(fields),
  ContextLengthExceeded: (fields) => new RouterError.ContextLengthExceeded(fields),
  ContentFiltered: (fields) => new RouterError.ContentFiltered(fields)
}

const fieldsOf = (
  answer: Answer,
  envelope: ErrorEnvelope.Envelope | undefined,
  tag: ErrorTable.Tag | "BadResponse"
): Fields => {
  const literals = redaction.literals(answer.secrets ?? [])
  const headers = redaction.withoutSecrets(answer.headers, literals)
  const fromText = tag === "RateLimited" && envelope !== undefined ? namedWait(envelope) : undefined
  return {
    target: answer.target,
    status: answer.status,
    headers,
    body: Redacted.make(
      redaction.truncate(redaction.scrub(answer.body, literals), answer.maxBodyBytes ?? maxErrorBodyBytes)
    ),
    code: codeOf(envelope, literals),
    retryAfter: RetryAfter.fromHeaders(headers, answer.nowMillis) ?? fromText
  }
}

/**
 * The headers of an answer as an error may show them: without those that carry a credential, by name or by value.
 *
 * @since 0.1.0
 * @category redaction
 */
export const safeHeaders = (
  headers: Readonly<Record<string, string>>,
  secrets: ReadonlyArray<Redacted.Redacted<string>> = []
): Record<string, string> => redaction.withoutSecrets(headers, redaction.literals(secrets))

/**
 * The error of an answer whose status is not a success. A redirect is a `BadResponse`: following one would carry the
 * credentials to another host.
 *
 * @since 0.1.0
 * @category classification
 */
export const fromResponse = (answer: Answer): ErrorTable.AnswerError | RouterError.BadResponse => {
  const envelope = ErrorEnvelope.parse(answer.body)
  if (answer.status < 400 || answer.status > 599) {
    const reason = answer.status >= 300 && answer.status < 400
      ? "a redirect, which is not followed"
      : "an unknown status"
    return new RouterError.BadResponse({ ...fieldsOf(answer, envelope, "BadResponse"), reason })
  }
  const tag = tagOf(answer.status, envelope)
  return constructors[tag](fieldsOf(answer, envelope, tag))
}

/**
 * The error that a success holds instead of an answer: in its body or in an event of its stream. `json` is the error
 * object, or all that it came in; `body` is the text that it came as.
 *
 * `impliedStatus` of the result is the status that the error stands for, 503 when it says nothing known.
 *
 * @since 0.1.0
 * @category classification
 */
export const fromBody = (answer: Answer & { readonly json: unknown }): ErrorTable.AnswerError => {
  const envelope = ErrorEnvelope.parse(answer.json) ?? ErrorEnvelope.parse({ error: answer.json })
  const impliedStatus = impliedStatusOf(envelope)
  const tag = tagOf(impliedStatus, envelope)
  return constructors[tag]({ ...fieldsOf(answer, envelope, tag), impliedStatus })
}

/** Failures before the request can have left: no route, no name, no connection. */
const connectCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "ENETUNREACH",
  "ENETDOWN",
  "EHOSTUNREACH",
  "EHOSTDOWN",
  "EADDRNOTAVAIL",
  "UND_ERR_CONNECT_TIMEOUT",
  "HOSTNAME_MISMATCH"
])

/** The name service (`EAI_AGAIN`), and the handshake and the certificates of TLS. */
const connectPrefix = /^(?:EAI_|ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/

const isConnectCode = (code: string): boolean => connectCodes.has(code) || connectPrefix.test(code)

/**
 * System calls that run before anything is sent; they fail with codes (`ETIMEDOUT`, `EACCES`) that others fail with
 * too.
 */
const connectCalls: ReadonlySet<unknown> = new Set(["connect", "getaddrinfo"])

/** What the codes of Node, undici and OpenSSL look like. */
const systemCode = /^[A-Z][A-Z0-9_]{1,63}$/

/** How many causes of causes are looked at. */
const maxCauses = 8

/** The error and its causes; of several addresses that were tried (`AggregateError`), the first one's. */
const causes = (error: unknown): ReadonlyArray<object> => {
  const found: Array<object> = []
  let current = error
  while (Predicate.isObject(current) && found.length < maxCauses) {
    found.push(current)
    const { cause, errors } = current as { readonly cause?: unknown; readonly errors?: unknown }
    current = cause ?? (Array.isArray(errors) ? errors[0] : undefined)
  }
  return found
}

/**
 * The error of an attempt that got no answer, or not all of it. Nothing of the original is kept but its code: an
 * `HttpClientError` holds the request, with the prompt and the key.
 *
 * A request that could not be built (its URL, its encoding) is an `InvalidRequest`; a `ResponseError` about the status
 * (`HttpClient.filterStatusOk`) gets the class of that status. Everything else is a `Transport`.
 *
 * @since 0.1.0
 * @category classification
 */
export const fromTransport = (
  error: unknown,
  target?: string
): RouterError.Transport | ErrorTable.AnswerError | RouterError.BadResponse => {
  if (HttpClientError.isHttpClientError(error)) {
    if (error._tag === "ResponseError" && error.reason === "StatusCode") {
      const { headers, status } = error.response
      // a date without the response's own clock beside it is left out: there is no time to measure it against here
      return fromResponse({ target, status, headers, body: "", nowMillis: Number.NaN })
    }
    if (error._tag === "RequestError" && error.reason !== "Transport") {
      const message = error.reason === "InvalidUrl" ? "the URL is not valid" : "the body could not be encoded"
      return new RouterError.InvalidRequest({ target, issues: [{ path: "", message }] })
    }
  }
  const found = causes(error).map((cause) => cause as { readonly code?: unknown; readonly syscall?: unknown })
  const codes = found.flatMap(({ code }) => typeof code === "string" && systemCode.test(code) ? [code] : [])
  const connect = codes.some(isConnectCode) || found.some(({ syscall }) => connectCalls.has(syscall))
  return new RouterError.Transport({ target, stage: connect ? "connect" : "exchange", code: codes[0] })
}
