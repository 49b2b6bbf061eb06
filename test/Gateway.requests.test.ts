/** Requests as strangers send them: whatever HTTP allows, and what it does not. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import * as Testing from "effect-llm-router/Testing"
import { gzipSync } from "node:zlib"
import { connect, errorOf, gateway, headers, json, post, raw, send, v1 } from "./support/gateway.js"

const messages = [{ role: "user", content: "Hello" }]
const request = { model: "a/x", messages }
const script: Testing.Script = { "a/x": Testing.completion("Hello") }

const host = "host: localhost\r\n"
const last = "connection: close\r\n"

/** What comes back for bytes, until the other side closes. */
const heard = (port: number, ...texts: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    const socket = yield* connect(port)
    for (const text of texts) {
      socket.write(text)
      yield* Effect.sleep("10 millis")
    }
    return yield* socket.closed
  })

const head = (text: string): string => text.slice(0, text.indexOf("\r\n\r\n")).toLowerCase()

describe("every answer", () => {
  it.scopedLive("has an id: pages, errors, and what Node itself refuses", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { models: ["a/x"] })
      for (
        const [method, path, status] of [
          ["GET", "/health", 200],
          ["HEAD", "/health", 200],
          ["OPTIONS", "/health", 204],
          ["DELETE", "/health", 405],
          ["GET", "/v1/models", 200],
          ["GET", "/v1/models/a/x", 200],
          ["GET", "/v1/models/a/y", 404],
          ["GET", v1, 405],
          ["GET", "/nothing", 404],
          ["HEAD", "/nothing", 404]
        ] as const
      ) {
        const own = yield* send(running.url + path, { method })
        assert.strictEqual(own.status, status, `${method} ${path}`)
        assert.match(own.headers.get("x-request-id") ?? "", /^req_[0-9a-f]{32}$/)
        const given = yield* send(running.url + path, { method, headers: { "x-request-id": "mine" } })
        assert.strictEqual(given.headers.get("x-request-id"), "mine")
      }
      assert.match(yield* heard(running.port, "nonsense\r\n\r\n"), /x-request-id: req_[0-9a-f]{32}\r\n/)
    }))

  it.scopedLive("to HEAD is that to GET without its body, and OPTIONS says what there is", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const text = yield* heard(
        running.port,
        `HEAD /health HTTP/1.1\r\n${host}\r\nGET /health HTTP/1.1\r\n${host}${last}\r\n`
      )
      const [, first = "", second = ""] = text.split("HTTP/1.1 ")
      assert.match(first, /^200 [^]*content-length: \d+\r\n[^]*\r\n\r\n$/)
      assert.match(second, /^200 [^]*"status":"ok"/)
      for (const [path, allow] of [[v1, "POST, OPTIONS"], ["/v1/models", "GET, HEAD, OPTIONS"]] as const) {
        const options = yield* send(running.url + path, { method: "OPTIONS" })
        assert.strictEqual(options.status, 204)
        assert.strictEqual(options.headers.get("allow"), allow)
        assert.strictEqual((yield* send(running.url + path, { method: "PATCH" })).headers.get("allow"), allow)
      }
      assert.strictEqual((yield* send(running.url + v1, { method: "HEAD" })).status, 405)
    }))
})

describe("a path", () => {
  it.scopedLive("of a model may have its slashes written in any way", () =>
    Effect.gen(function*() {
      const id = "b/y/z:free@1"
      const running = yield* gateway(script, { models: ["a/x", id], keys: [Redacted.make("key")] })
      const get = (path: string) =>
        send(`${running.url}/v1/models/${path}`, { headers: { authorization: "Bearer key" } })
      for (const path of [id, "b%2Fy%2Fz:free@1", encodeURIComponent(id), `${id}?a=b`]) {
        const { created, ...model } = json(yield* get(path)) as { readonly created: unknown }
        assert.isTrue(Number.isSafeInteger(created))
        assert.deepStrictEqual(model, { id, object: "model", owned_by: "b" } as object)
      }
      for (const path of ["b/y", "b%252Fy%252Fz:free@1", "A/X", "__proto__", "constructor"]) {
        assert.deepStrictEqual(errorOf(yield* get(path)), {
          status: 404,
          type: "invalid_request_error",
          param: "model",
          code: "model_not_found"
        }, path)
      }
      assert.strictEqual((yield* send(`${running.url}/v1/models/a/x`)).status, 401)
    }))

  it.scopedLive("that is odd is answered in JSON, and without a look inside", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      for (
        const [target, status] of [
          ["/v1/models/%", 404],
          ["/%zz", 404],
          ["//", 404],
          ["/../../etc/passwd", 404],
          ["*", 404],
          ["/health?a=%zz", 200],
          ["/health?%=%", 200],
          ["/health?__proto__=1&a=1&a=2", 200],
          ["http://localhost/health", 200],
          [`/${"a".repeat(10_000)}`, 404]
        ] as const
      ) {
        const text = yield* heard(running.port, `GET ${target} HTTP/1.1\r\n${host}${last}\r\n`)
        assert.strictEqual(text.slice(9, 12), String(status), target)
        assert.include(text, "content-type: application/json")
        assert.include(text, "x-request-id: ")
      }
    }))
})

describe("a request", () => {
  it.scopedLive("may come in any pieces: chunks, single bytes, behind another one", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const body = JSON.stringify(request)
      const chunked =
        `POST ${v1} HTTP/1.1\r\n${host}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n${
          [...body].map((one) => `1;a=b\r\n${one}\r\n`).join("")
        }0\r\nx-trailer: a\r\n\r\n`
      const whole = raw(v1, request, last)
      const answers = yield* heard(running.port, chunked + raw(v1, request), ...whole.match(/[^]{1,40}/g) ?? [])
      assert.deepStrictEqual(
        answers.split("HTTP/1.1 ").slice(1).map((text) => text.slice(0, 3)),
        ["200", "200", "200"]
      )
      assert.strictEqual((yield* running.upstream.calls).length, 3)
    }))

  it.scopedLive("that waits for a 100 gets it; nothing else can be expected", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const socket = yield* connect(running.port)
      const [first, body] = raw(v1, request, "expect: 100-continue\r\n").split(/(?<=\r\n\r\n)/)
      socket.write(first!)
      yield* socket.until("HTTP/1.1 100 ")
      socket.write(body!)
      assert.match(yield* socket.until("Hello"), /HTTP\/1\.1 200 /)
      const other = yield* heard(running.port, raw(v1, request, "expect: magic\r\n"))
      assert.match(other, /^HTTP\/1\.1 417 [^]*"expectation_failed"/)
    }))

  it.scopedLive("that offers another protocol is answered in this one, its body included", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      for (const upgrade of ["h2c", "websocket"]) {
        const offer = `upgrade: ${upgrade}\r\nhttp2-settings: AAMAAABkAARAAAAAAAIAAAAA\r\n`
        const socket = yield* connect(running.port)
        socket.write(raw(v1, request, `connection: upgrade, http2-settings\r\n${offer}`))
        assert.match(yield* socket.until("Hello"), /^HTTP\/1\.1 200 /)
        const health = `GET /health HTTP/1.1\r\n${host}connection: upgrade\r\n${offer}\r\n`
        const another = yield* connect(running.port)
        another.write(health)
        assert.match(yield* another.until("\"ok\""), /^HTTP\/1\.1 200 /)
      }
    }))

  it.scopedLive("of HTTP/1.0 is answered, and its connection closed", () =>
    Effect.gen(function*() {
      const running = yield* gateway({ ...script, "a/y": Testing.stream(["Hel", "lo"]) })
      const old = (body: unknown) => raw(v1, body).replace("HTTP/1.1", "HTTP/1.0")
      assert.match(yield* heard(running.port, old(request)), /^HTTP\/1\.1 200 [^]*Hello/)
      const streamed = yield* heard(running.port, old({ ...request, model: "a/y", stream: true }))
      assert.match(streamed, /\[DONE\]\n\n$/)
      assert.notInclude(head(streamed), "transfer-encoding")
    }))

  it.scopedLive("that is compressed is refused, whatever it says of itself", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const body = gzipSync(JSON.stringify(request))
      for (const encoding of ["gzip", "br", "gzip, identity", "x"]) {
        const answered = yield* send(running.url + v1, {
          method: "POST",
          headers: { ...headers, "content-encoding": encoding },
          body
        })
        assert.strictEqual(errorOf(answered).code, "unsupported_media_type")
      }
      const untold = yield* send(running.url + v1, { method: "POST", headers, body })
      assert.strictEqual(errorOf(untold).code, "invalid_json")
    }))

  it.scopedLive("with a header twice is that of its first, or none at all", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { keys: [Redacted.make("key")] })
      const status = (more: string) =>
        Effect.map(heard(running.port, raw(v1, request, `${last}${more}`)), (text) => text.slice(9, 12))
      assert.strictEqual(yield* status("authorization: Bearer key\r\nauthorization: Bearer other\r\n"), "200")
      assert.strictEqual(yield* status("authorization: Bearer other\r\nauthorization: Bearer key\r\n"), "401")
      assert.strictEqual(yield* status("authorization: Bearer key\r\ncontent-type: text/plain\r\n"), "200")
      assert.strictEqual(yield* status("authorization: Bearer key\r\ncontent-length: 1\r\n"), "400")
      assert.strictEqual(yield* status("authorization: Bearer key\r\nx-request-id: a\r\nx-request-id: b\r\n"), "200")
      assert.strictEqual(
        yield* status("authorization: Bearer key\r\nx-request-timeout-ms: 1\r\nx-request-timeout-ms: 2\r\n"),
        "400"
      )
    }))

  it.scopedLive("has a key with odd characters, or an odd one of its own", () =>
    Effect.gen(function*() {
      const odd = "a/+=._~-!\"#$%&'()*,:;<>?@[]^`{|}\\"
      const running = yield* gateway(script, { keys: [Redacted.make(odd)] })
      const status = (key: string) =>
        Effect.map(
          heard(running.port, raw(v1, request, `${last}authorization: Bearer ${key}\r\n`)),
          (text) => text.slice(9, 12)
        )
      assert.strictEqual(yield* status(odd), "200")
      for (const key of [`${odd} `, ` ${odd}`, `\t${odd}`]) {
        // spaces around a value are not of it
        assert.include(["200", "401"], yield* status(key), JSON.stringify(key))
      }
      for (const key of ["é", "key\u00a0", "x".repeat(10_000), "a,b", "Bearer " + odd]) {
        assert.strictEqual(yield* status(key), "401", key)
      }
      assert.strictEqual((yield* running.upstream.calls).length >= 1, true)
    }))
})

describe("a body", () => {
  const text = (running: { readonly url: string }, body: BodyInit) =>
    send(running.url + v1, { method: "POST", headers, body })

  it.scopedLive("with members of the names of prototypes changes nothing but itself", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const body = `{"model":"a/x","messages":[],"__proto__":{"polluted":1},"metadata":{"__proto__":"a"},
        "variables":{"__proto__":{"polluted":1}},"retry":{"__proto__":{"count":9}}}`
      assert.strictEqual((yield* text(running, body)).status, 200)
      assert.isFalse("polluted" in {})
      const variable =
        `{"model":"a/x","messages":[{"role":"user","content":"{{__proto__}}{{constructor}}"}],"variables":{}}`
      assert.strictEqual(errorOf(yield* text(running, variable)).status, 400)
    }))

  it.scopedLive("with huge numbers, strange texts or nothing in it is read as what it is", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const status = (fields: string) =>
        Effect.map(text(running, `{"model":"a/x","messages":[],${fields}}`), (_) => _.status)
      assert.strictEqual(yield* status(`"retry":{"count":1e999}`), 400)
      assert.strictEqual(yield* status(`"cache":{"type":"exact_match","ttl":9007199254740993}`), 400)
      assert.strictEqual(yield* status(`"timeout":{"call_timeout":1e300}`), 200)
      assert.strictEqual(yield* status(`"timeout":{"call_timeout":1e999}`), 400)
      assert.strictEqual(yield* status(`"timeout":{"call_timeout":0.5}`), 400)
      assert.strictEqual(yield* status(`"seed":123456789012345678901234567890`), 200)
      assert.strictEqual(yield* status(`"a":"\\ud800","b":"\\u0000"`), 200)
      assert.strictEqual(yield* status(`"stream":"yes"`), 400)
      assert.strictEqual(yield* status(`"model":"a/x","model":"a/x"`), 200)
      for (const body of ["null", "true", "1", "\"a\"", "[]", "{}"]) {
        assert.strictEqual(errorOf(yield* text(running, body)).status, 400, body)
      }
      for (const body of [" ", "\ufeff", "{\"model\":}", "{'model':1}", "NaN", new Uint8Array([0xc0, 0xaf])]) {
        assert.strictEqual(errorOf(yield* text(running, body)).code, "invalid_json")
      }
      assert.strictEqual((yield* text(running, `\ufeff${JSON.stringify(request)}`)).status, 200)
    }))

  it.scopedLive("with very many members is answered in time", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const many = Array.from({ length: 20_000 }, (_, index) => index)
      const begun = performance.now()
      yield* post(running, { ...request, fallbacks: many.map(() => ({ model: "a/x" })) })
      yield* post(running, { ...request, fallbacks: many.map(() => ({ model: 1 })) })
      yield* post(running, { ...request, messages: many.map(() => ({ role: "nobody" })) })
      yield* post(running, { ...request, variables: Object.fromEntries(many.map((index) => [`v${index}`, "{{a}}"])) })
      yield* post(running, { ...request, messages: [{ role: "user", content: "{{".repeat(1_000_000) }] })
      yield* post(running, {
        ...request,
        variables: {},
        messages: [{ role: "user", content: "{{a}}".repeat(200_000) }]
      })
      assert.isBelow(performance.now() - begun, 10_000)
      assert.strictEqual((yield* post(running, request)).status, 200)
    }))
})
