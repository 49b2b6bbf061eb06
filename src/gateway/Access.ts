/**
 * Who is served: clients with one of the keys, or those on this machine when there are no keys.
 *
 * @since 0.1.0
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { createHash, timingSafeEqual } from "node:crypto"
import * as RouterError from "../RouterError.js"
import * as Problem from "./Problem.js"

/**
 * Why a client is not served; `undefined` when it is.
 *
 * @since 0.1.0
 * @category models
 */
export type Access = (request: HttpServerRequest.HttpServerRequest) => Problem.Problem | undefined

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** What can be sent as a bearer token. */
const token = /^[\x21-\x7e]+$/

const noKey = Problem.make(401, "a key is missing: expected the header `authorization: Bearer …`", {
  code: "authentication_required",
  headers: { "www-authenticate": "Bearer" }
})

const wrongKey = Problem.make(401, "the key is not valid", { headers: { "www-authenticate": "Bearer" } })

const withKeys = (keys: ReadonlyArray<Redacted.Redacted>): Access => {
  const digests = keys.map((key, index) => {
    if (!token.test(Redacted.value(key))) {
      throw RouterError.invalidField(`keys[${index}]`, "expected visible ASCII characters, one at least")
    }
    return digest(Redacted.value(key))
  })
  return ({ headers }) => {
    const given = /^bearer +(\S+) *$/i.exec(headers.authorization ?? "")?.[1]
    if (given === undefined) {
      return noKey
    }
    const hash = digest(given)
    // all of them are compared, so that the time tells neither how much of a key was right nor which one it was
    return digests.filter((one) => timingSafeEqual(one, hash)).length > 0 ? undefined : wrongKey
  }
}

const notHere = Problem.make(403, "without keys the gateway serves only clients on its own machine")

const isLoopbackAddress = (address: string): boolean =>
  /^(?:::ffff:)?127(?:\.\d{1,3}){3}$/.test(address) || address === "::1"

const isLoopbackHost = (host: string): boolean => /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i.test(host)

/** What a proxy adds for whoever it speaks for. */
const isForwarding = (header: string): boolean =>
  header === "forwarded" || header === "via" || header === "x-real-ip" || header.startsWith("x-forwarded-")

/**
 * The address alone is not enough: a page in a browser on this machine has it too, under a name that leads to 127.0.0.1, and so has a proxy
 * on this machine. The page gives itself away by its host. A proxy need not: nginx names the host that it forwards to, and only what it adds
 * tells of it. One that adds nothing is not told from a client here, which is why a gateway behind a proxy needs keys.
 */
const onLoopback: Access = ({ headers, remoteAddress }) =>
  Option.exists(remoteAddress, isLoopbackAddress) && isLoopbackHost(headers.host ?? "") &&
    !Object.keys(headers).some(isForwarding)
    ? undefined
    : notHere

/**
 * Throws `InvalidRequest` when a key cannot be sent as a bearer token.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (keys: ReadonlyArray<Redacted.Redacted>): Access => keys.length === 0 ? onLoopback : withKeys(keys)
