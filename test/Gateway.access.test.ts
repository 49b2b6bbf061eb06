import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Layer, Redacted } from "effect"
import * as Gateway from "effect-llm-router/Gateway"
import * as Testing from "effect-llm-router/Testing"
import { networkInterfaces } from "node:os"
import { connect, dying, errorOf, gateway, json, post, raw, send, v1 } from "./support/gateway.js"

const request = { model: "a/x", messages: [{ role: "user", content: "Hello" }] }
const script: Testing.Script = { "a/x": Testing.completion("Hello") }
const keys = [Redacted.make("key-one"), Redacted.make("key-two")]

describe("with keys", () => {
  it.scopedLive("a client needs one of them, as a bearer token", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { keys })
      for (const authorization of ["Bearer key-one", "bearer key-two", "BEARER  key-one"]) {
        assert.strictEqual((yield* post(running, request, { authorization })).status, 200)
      }
      for (
        const authorization of [
          "Bearer key-three",
          "Bearer key-on",
          "Bearer key-one2",
          "Bearer KEY-ONE",
          `Bearer ${"x".repeat(9000)}`
        ]
      ) {
        const answered = yield* post(running, request, { authorization })
        assert.deepStrictEqual(errorOf(answered), {
          status: 401,
          type: "authentication_error",
          param: null,
          code: "invalid_api_key"
        })
        assert.strictEqual(answered.headers.get("www-authenticate"), "Bearer")
        assert.notInclude(answered.text, "key-")
      }
      for (const authorization of ["key-one", "Basic key-one", "Bearer", "Bearer key one", ""]) {
        const answered = yield* post(running, request, { authorization })
        assert.strictEqual(errorOf(answered).status, 401)
        assert.strictEqual(errorOf(answered).code, "authentication_required")
      }
      assert.strictEqual((yield* running.upstream.calls).length, 3)
    }))

  it.scopedLive("the key does not go to the provider", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { keys })
      yield* post(running, request, { authorization: "Bearer key-one", cookie: "a=b", traceparent: "00-0-0-00" })
      const [call] = yield* running.upstream.calls
      assert.notInclude(JSON.stringify(call), "key-one")
      assert.isUndefined(call?.headers.cookie)
    }))

  it.scopedLive("is asked for before the body is looked at", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { keys })
      const socket = yield* connect(running.port)
      socket.write(`POST ${v1} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n{`)
      assert.match(yield* socket.until("}}"), /^HTTP\/1\.1 401 /)
    }))

  it.scopedLive("models need one, and the health shows the state to nobody else", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script, { keys })
      assert.strictEqual((yield* send(`${running.url}/v1/models`)).status, 401)
      assert.deepStrictEqual(json(yield* send(`${running.url}/health`)), { status: "ok" })
      const known = { headers: { authorization: "Bearer key-two" } }
      assert.strictEqual((yield* send(`${running.url}/v1/models`, known)).status, 200)
      assert.deepStrictEqual(json(yield* send(`${running.url}/health`, known)), {
        status: "ok",
        inFlight: 0,
        targets: []
      })
    }))

  it.effect("come from the configuration", () =>
    Effect.gen(function*() {
      const read = (entries: ReadonlyArray<readonly [string, string]>) =>
        Effect.map(
          Effect.withConfigProvider(Gateway.keysConfig, ConfigProvider.fromMap(new Map(entries))),
          (keys) => keys.map(Redacted.value)
        )
      assert.deepStrictEqual(yield* read([]), [])
      assert.deepStrictEqual(yield* read([["GATEWAY_KEYS", "a,b"]]), ["a", "b"])
    }))
})

describe("without keys", () => {
  it.scopedLive("clients on this machine are served, by a name of this machine", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const status = (host: string) =>
        Effect.gen(function*() {
          const socket = yield* connect(running.port)
          socket.write(raw(v1, request).replace("localhost", host))
          return (yield* socket.until("}")).slice(9, 12)
        })
      for (const host of ["localhost", "localhost:8787", "127.0.0.1:1", "[::1]:8787", "LOCALHOST"]) {
        assert.strictEqual(yield* status(host), "200", host)
      }
      // a name that leads here, as a page in a browser or a proxy has it
      for (const host of ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.evil", "10.0.0.1"]) {
        assert.strictEqual(yield* status(host), "403", host)
      }
      const answered = yield* post(running, request)
      assert.strictEqual(answered.status, 200)
    }))

  it.scopedLive("a proxy on this machine is not one of them, whatever host it names", () =>
    Effect.gen(function*() {
      const running = yield* gateway(script)
      const forwarding = {
        forwarded: "for=192.0.2.1",
        via: "1.1 proxy",
        "x-real-ip": "192.0.2.1",
        "x-forwarded-for": "192.0.2.1",
        "X-Forwarded-Proto": "https",
        "x-forwarded-host": ""
      }
      for (const [name, value] of Object.entries(forwarding)) {
        const answered = yield* post(running, request, { [name]: value })
        assert.deepStrictEqual([answered.status, errorOf(answered).code], [403, "loopback_only"], name)
      }
      assert.strictEqual((yield* running.upstream.calls).length, 0)
      const served = yield* gateway(script, { keys })
      const known = { authorization: "Bearer key-one" }
      assert.strictEqual((yield* post(served, request, { ...forwarding, ...known })).status, 200)
    }))

  const outside = Object.values(networkInterfaces()).flat().find((one) => one?.family === "IPv4" && !one.internal)
  it.scopedLive.skipIf(outside === undefined)(
    "clients of another address are not served",
    () =>
      Effect.gen(function*() {
        const running = yield* gateway(script, { host: "0.0.0.0" })
        const url = `http://${outside?.address}:${running.port}`
        const answered = yield* post({ url }, request, { host: "localhost" })
        assert.strictEqual(errorOf(answered).code, "loopback_only")
        assert.deepStrictEqual(json(yield* send(`${url}/health`)), { status: "ok" })
      })
  )
})

describe("layerConfig", () => {
  it.effect("fails when an option is out of bounds", () =>
    Effect.gen(function*() {
      const build = (maxInFlight: number) =>
        Gateway.layerConfig({ keys: Gateway.keysConfig, maxInFlight: Config.succeed(maxInFlight) }).pipe(
          Layer.provide([HttpLayerRouter.layer, dying]),
          Layer.build,
          Effect.scoped,
          Effect.either
        )
      assert.strictEqual((yield* build(1))._tag, "Right")
      const built = yield* build(0)
      assert.strictEqual(built._tag, "Left")
    }))
})
