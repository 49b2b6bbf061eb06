/**
 * What a client hears when it has made no request that could be answered: what it sent is not HTTP, or it took too long.
 *
 * @since 0.1.0
 */
import { randomUUID } from "node:crypto"
import { STATUS_CODES } from "node:http"
import * as Problem from "./Problem.js"

const refusal = (status: number, message: string, code: string): Problem.Problem => ({
  status,
  message,
  type: "invalid_request_error",
  param: null,
  code
})

const badRequest = refusal(400, "the request is not HTTP", "bad_request")

/** By the codes of Node's errors. */
const refusals: { readonly [code: string]: Problem.Problem } = {
  ERR_HTTP_REQUEST_TIMEOUT: refusal(408, "the request took too long to arrive", "request_timeout"),
  HPE_CHUNK_EXTENSIONS_OVERFLOW: refusal(413, "the extensions of a chunk are too large", "request_too_large"),
  HPE_HEADER_OVERFLOW: refusal(431, "the headers are too large", "headers_too_large")
}

/**
 * By the code of the error with which Node refused it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofCode = (code: string | undefined): Problem.Problem => refusals[code ?? ""] ?? badRequest

/**
 * A request that expects what nobody here can do.
 *
 * @since 0.1.0
 * @category constructors
 */
export const expectation: Problem.Problem = refusal(
  417,
  "nothing can be expected but 100-continue",
  "expectation_failed"
)

/**
 * A response after which the connection is closed. `body` is in ASCII.
 *
 * @since 0.1.0
 * @category models
 */
export interface Last {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * The response that says it.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toLast = (problem: Problem.Problem): Last => {
  const body = JSON.stringify(Problem.toBody(problem))
  return {
    status: problem.status,
    headers: {
      "content-type": "application/json",
      "content-length": String(body.length),
      "x-request-id": `req_${randomUUID().replaceAll("-", "")}`,
      connection: "close"
    },
    body
  }
}

/**
 * A response as it is on the wire.
 *
 * @since 0.1.0
 * @category encoding
 */
export const toWire = ({ body, headers, status }: Last): string => {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`
}
