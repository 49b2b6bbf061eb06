import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Cookies from "@effect/platform/Cookies"
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as UrlParams from "@effect/platform/UrlParams"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Exit from "effect/Exit"
import * as FastCheck from "effect/FastCheck"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Http from "node:http"
import * as Undici from "undici"
import * as OpenAiCompatible from "../src/provider/OpenAiCompatible.js"
import * as RouterError from "../src/RouterError.js"
import * as Transport from "../src/Transport.js"
import { makeResolver } from "../src/transport/address.js"
import * as RequestBody from "../src/wire/RequestBody.js"
import { recording } from "./support/telemetry.js"
import { http, lean, over, says, tcp, textOf, until } from "./transport/sockets.js"

const issues = (make: () => unknown): ReadonlyArray<unknown> => {
  try {
    make()
  } catch (error) {
    return error instanceof RouterError.InvalidRequest ? error.issues.map(({ path }) => path) : [error]
  }
  return []
}

describe("options", () => {
  it("each that is not what it has to be is named", () => {
    for (
      const [options, path] of [
        [{ connectTimeout: 0 }, "connectTimeout"],
        [{ connectTimeout: Infinity }, "connectTimeout"],
        [{ keepAliveTimeout: -1 }, "keepAliveTimeout"],
        [{ connections: 0 }, "connections"],
        [{ connections: 1.5 }, "connections"],
        [{ maxResponseBytes: 0 }, "maxResponseBytes"],
        [{ maxResponseBytes: Number.NaN }, "maxResponseBytes"]
      ] as const
    ) {
      assert.deepStrictEqual(issues(() => Transport.layerUndici(options)), [path])
    }
    assert.deepStrictEqual(issues(() => Transport.layerDispatcher(new Undici.Agent(), { maxResponseBytes: -1 })), [
      "maxResponseBytes"
    ])
    assert.deepStrictEqual(
      issues(() => Transport.layerUndici({ connections: Infinity, maxResponseBytes: Infinity })),
      []
    )
  })
})

describe("the address of a request", () => {
  const address = (request: HttpClientRequest.HttpClientRequest) => makeResolver()(request)

  const word = FastCheck.string({ maxLength: 8 })

  it.prop(
    "is that of UrlParams.makeUrl",
    [FastCheck.array(FastCheck.webPath(), { maxLength: 2 }), FastCheck.array(FastCheck.tuple(word, word)), word],
    ([paths, params, hash]) => {
      const request = HttpClientRequest.get(`http://localhost:3000/v1${paths.join("")}`).pipe(
        HttpClientRequest.setUrlParams(params),
        HttpClientRequest.setHash(hash)
      )
      const url = Either.getOrThrow(UrlParams.makeUrl(request.url, request.urlParams, request.hash))
      assert.deepStrictEqual(Either.getOrThrow(address(request)), {
        origin: url.origin,
        path: url.pathname + url.search
      })
    }
  )

  it("adds to the query of a URL, and sends no fragment", () => {
    const request = HttpClientRequest.get("https://h.invalid:443/a?api-version=1#part").pipe(
      HttpClientRequest.setUrlParam("q", "x y")
    )
    assert.deepStrictEqual(Either.getOrThrow(address(request)), {
      origin: "https://h.invalid",
      path: "/a?api-version=1&q=x+y"
    })
  })

  it("is none without a host, and for other protocols", () => {
    for (const url of ["/v1", "", "ftp://localhost/", "http://[::1"]) {
      assert.isTrue(Either.isLeft(address(HttpClientRequest.get(url))), url)
    }
  })

  it("does not depend on what was asked before", () => {
    const resolve = makeResolver()
    for (let index = 0; index < 1000; index++) {
      const { path } = Either.getOrThrow(resolve(HttpClientRequest.get(`http://localhost/${index % 300}`)))
      assert.strictEqual(path, `/${index % 300}`)
    }
  })

  it.effect("a URL that is none is a RequestError", () =>
    lean((client) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(client.get("/nowhere"))
        assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "InvalidUrl"])
      })
    ))
})

/** Says what came. */
const echo = http((request, response) => {
  const parts: Array<Buffer> = []
  request.on("data", (part: Buffer) => parts.push(part))
  request.on("end", () => {
    const { headers, method, url } = request
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(parts).toString("latin1") }))
  })
})

interface Echo {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const post = (url: string, body: HttpBody.HttpBody) =>
  lean((client) =>
    Effect.flatMap(
      textOf(client, HttpClientRequest.post(url, { body })),
      (text) => Effect.sync((): Echo => JSON.parse(text))
    )
  )

describe("what is sent", () => {
  const bytes = new TextEncoder().encode("abcdef")

  for (
    const [name, body, expected, framing] of [
      ["nothing", HttpBody.empty, "", "0"],
      ["text", HttpBody.text("abcdef"), "abcdef", "6"],
      ["bytes", HttpBody.uint8Array(bytes), "abcdef", "6"],
      ["a part of bytes", HttpBody.uint8Array(bytes.subarray(1, 3)), "bc", "2"],
      ["JSON", HttpBody.unsafeJson({ a: 1 }), "{\"a\":1}", "7"],
      ["a stream", HttpBody.stream(Stream.make(bytes, bytes)), "abcdefabcdef", "chunked"],
      ["a stream whose length is known", HttpBody.stream(Stream.make(bytes), "text/plain", 6), "abcdef", "6"],
      ["an empty stream", HttpBody.stream(Stream.empty), "", "0"],
      ["a raw string", HttpBody.raw("abcdef"), "abcdef", "6"],
      ["a raw buffer", HttpBody.raw(bytes.slice().buffer), "abcdef", "6"],
      ["a raw view", HttpBody.raw(new DataView(bytes.slice().buffer, 2, 2)), "cd", "2"],
      ["raw parameters", HttpBody.raw(new URLSearchParams({ a: "b c" })), "a=b+c", "5"],
      ["a blob", HttpBody.raw(new Blob(["abc", "def"])), "abcdef", "chunked"],
      ["an iterable", HttpBody.raw([bytes, bytes].values()), "abcdefabcdef", "chunked"],
      ["a web stream", HttpBody.raw(new Blob(["abcdef"]).stream()), "abcdef", "chunked"],
      ["raw nothing", HttpBody.raw(null), "", "0"]
    ] as const
  ) {
    it.scopedLive(`${name}, as it is`, () =>
      Effect.gen(function*() {
        const server = yield* echo
        const { body: received, headers, method } = yield* post(server.url, body)
        assert.deepStrictEqual([method, received], ["POST", expected])
        assert.strictEqual(headers["transfer-encoding"] ?? headers["content-length"], framing)
        assert.strictEqual(headers["content-type"], body.contentType)
      }))
  }

  for (const make of [HttpBody.formData, HttpBody.raw]) {
    it.scopedLive(`a form, ${make(new FormData())._tag}`, () =>
      Effect.gen(function*() {
        const server = yield* echo
        const form = new FormData()
        form.append("name", "value")
        form.append("file", new Blob(["abc"]), "a.txt")
        const { body, headers } = yield* post(server.url, make(form))
        assert.match(headers["content-type"] ?? "", /^multipart\/form-data; boundary=/)
        assert.strictEqual(headers["content-length"], String(body.length))
        for (const part of ["name=\"name\"\r\n\r\nvalue", "filename=\"a.txt\"", "\r\n\r\nabc\r\n"]) {
          assert.include(body, part)
        }
      }))
  }

  it.scopedLive("no body that is none: an error, and nothing is sent", () =>
    Effect.gen(function*() {
      const server = yield* echo
      const error = yield* Effect.flip(post(server.url, HttpBody.raw(7)))
      assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Encode"])
      assert.strictEqual(server.accepted(), 0)
    }))

  it.scopedLive("a stream that fails is a failure of the request, which is closed", () =>
    Effect.gen(function*() {
      const server = yield* echo
      const broken = Stream.concat(Stream.make(bytes), Stream.fail("broken"))
      const error = yield* Effect.flip(post(server.url, HttpBody.stream(broken)))
      assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
      yield* until(() => server.open.size === 0)
    }))

  it.scopedLive("a stream that never ends is interrupted with its request", () =>
    Effect.gen(function*() {
      const server = yield* echo
      const ended = yield* Ref.make(false)
      const endless = Stream.concat(Stream.make(bytes), Stream.never).pipe(Stream.ensuring(Ref.set(ended, true)))
      yield* post(server.url, HttpBody.stream(endless)).pipe(Effect.timeoutOption("100 millis"))
      yield* until(() => server.open.size === 0)
      assert.isTrue(yield* Ref.get(ended))
    }))

  it.scopedLive("method, query and headers; and it asks for no encoding", () =>
    lean((client) =>
      Effect.gen(function*() {
        const server = yield* echo
        const request = HttpClientRequest.patch(`${server.url}/a?b=c`).pipe(
          HttpClientRequest.setUrlParam("d", "e"),
          HttpClientRequest.setHash("f"),
          HttpClientRequest.setHeaders({ "X-Mixed": "Value", "x-utf": "é" })
        )
        const { headers, method, url }: Echo = JSON.parse(yield* textOf(client, request))
        assert.deepStrictEqual([method, url], ["PATCH", "/a?b=c&d=e"])
        assert.deepStrictEqual([headers["x-mixed"], headers["x-utf"]], ["Value", "é"])
        assert.isUndefined(headers["accept-encoding"])
        assert.isUndefined(headers["traceparent"])
      })
    ))

  it.scopedLive("a header that is none is a failure, and the connection is used for the next one", () =>
    lean((client) =>
      Effect.gen(function*() {
        const server = yield* echo
        yield* textOf(client, HttpClientRequest.get(server.url))
        yield* Effect.sleep(20)
        const bad = HttpClientRequest.setHeader(HttpClientRequest.get(server.url), "a", "b\r\nc: d")
        const error = yield* Effect.flip(client.execute(bad))
        assert.deepStrictEqual([error._tag, error.reason], ["RequestError", "Transport"])
        yield* textOf(client, HttpClientRequest.get(server.url))
        assert.strictEqual(server.accepted(), 1)
      })
    ))
})

describe("what comes back", () => {
  const get = (answer: string) => Effect.flatMap(says(answer), (server) => lean((client) => client.get(server.url)))

  it.scopedLive("status, headers in any case and more than once, cookies", () =>
    Effect.gen(function*() {
      const response = yield* get(
        "HTTP/1.1 418 Teapot\r\nX-One: 1\r\nx-two: 2\r\nX-TWO: 3\r\n__proto__: 4\r\nSet-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n" +
          "content-length: 0\r\n\r\n"
      )
      assert.strictEqual(response.status, 418)
      assert.deepStrictEqual([response.headers["x-one"], response.headers["x-two"]], ["1", "2, 3"])
      assert.strictEqual(response.headers["__proto__"], "4")
      assert.deepStrictEqual(Cookies.toRecord(response.cookies), { a: "1", b: "2" })
      assert.isTrue(Option.isNone(response.remoteAddress))
      assert.deepStrictEqual(JSON.parse(JSON.stringify(response)).status, 418)
    }))

  for (
    const [name, answer] of [
      ["204", "HTTP/1.1 204 No Content\r\n\r\n"],
      ["304", "HTTP/1.1 304 Not Modified\r\netag: x\r\n\r\n"],
      ["an empty body", "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"],
      ["an empty body with an encoding", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n\r\n"]
    ] as const
  ) {
    it.scopedLive(`${name} is an empty body in every view`, () =>
      Effect.gen(function*() {
        const server = yield* says(answer)
        yield* lean((client) =>
          Effect.gen(function*() {
            const response = yield* client.get(server.url)
            assert.strictEqual(yield* response.text, "")
            assert.isNull(yield* response.json)
            assert.strictEqual((yield* response.arrayBuffer).byteLength, 0)
            assert.strictEqual(yield* Stream.runCount((yield* client.get(server.url)).stream), 0)
          })
        )
      }))
  }

  it.scopedLive("HEAD has headers and no body, whatever they say", () =>
    Effect.gen(function*() {
      const server = yield* says("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\ncontent-encoding: br\r\n\r\n")
      yield* lean((client) =>
        Effect.gen(function*() {
          const response = yield* client.head(server.url)
          assert.strictEqual(response.headers["content-length"], "1000")
          assert.strictEqual(yield* response.text, "")
        })
      )
    }))

  it.scopedLive("informational answers before it, and trailers after it, are left out", () =>
    Effect.gen(function*() {
      const server = yield* says(
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" +
          "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
      )
      yield* lean((client) =>
        Effect.gen(function*() {
          const response = yield* client.get(server.url)
          assert.deepStrictEqual([response.status, yield* response.text], [200, "abc"])
          assert.isUndefined(response.headers["link"])
          // a connection is free again one turn of the event loop after its answer
          yield* Effect.sleep(20)
          assert.strictEqual(yield* textOf(client, HttpClientRequest.get(server.url)), "abc")
          assert.strictEqual(server.accepted(), 1)
        })
      )
    }))

  it.scopedLive("a form, parameters, JSON, and text without its byte order mark", () =>
    Effect.gen(function*() {
      const server = yield* http((request, response) => {
        const [type, body] = request.url === "/form"
          ? [
            "multipart/form-data; boundary=x",
            "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--x--\r\n"
          ]
          : ["application/x-www-form-urlencoded", "\ufeffa=1&b=gr%C3%BCn"]
        response.writeHead(200, { "content-type": type })
        response.end(body)
      })
      yield* lean((client) =>
        Effect.gen(function*() {
          assert.strictEqual((yield* (yield* client.get(`${server.url}/form`)).formData).get("a"), "1")
          const response = yield* client.get(server.url)
          assert.deepStrictEqual([...yield* response.urlParamsBody], [["a", "1"], ["b", "grün"]])
          const error = yield* Effect.flip(response.json)
          assert.deepStrictEqual([error._tag, error.reason], ["ResponseError", "Decode"])
          assert.notInclude(String(error.message) + String(error.cause), "a=1")
        })
      )
    }))
})

describe("as a client of the platform", () => {
  const server = http((request, response) => {
    if (request.url === "/from" || request.url === "/from/chat/completions") {
      response.writeHead(302, { location: "/to", "set-cookie": "seen=1" })
    } else if (request.url === "/down") {
      response.writeHead(503)
    }
    response.end(
      JSON.stringify({ url: request.url, cookie: request.headers.cookie, trace: request.headers.traceparent })
    )
  })

  for (
    const [name, layer] of [
      ["undici", NodeHttpClient.layerUndici],
      ["the lean transport", Transport.layerUndici()],
      [
        "a dispatcher",
        Layer.unwrapScoped(Effect.map(
          Effect.acquireRelease(
            Effect.sync(() => new Undici.Agent()),
            (agent) => Effect.promise(() => agent.destroy())
          ),
          (agent) => Transport.layerDispatcher(agent)
        ))
      ]
    ] as const
  ) {
    it.scopedLive(`over ${name}: filters, mapped requests, redirects, cookies, retries`, () =>
      Effect.gen(function*() {
        const { url } = yield* server
        yield* over(layer, (plain) =>
          Effect.gen(function*() {
            const jar = yield* Ref.make(Cookies.empty)
            const client = plain.pipe(
              HttpClient.mapRequest(HttpClientRequest.prependUrl(url)),
              HttpClient.withCookiesRef(jar)
            )
            const down = yield* Effect.flip(HttpClient.filterStatusOk(client).get("/down"))
            assert.strictEqual(down._tag === "ResponseError" ? down.reason : "", "StatusCode")
            const first = yield* client.pipe(HttpClient.followRedirects(1)).get("/from")
            assert.strictEqual((JSON.parse(yield* first.text) as { readonly url: string }).url, "/to")
            yield* (yield* client.get("/from")).text
            const second: { readonly cookie: string } = JSON.parse(yield* (yield* client.get("/x")).text)
            assert.strictEqual(second.cookie, "seen=1")
            const retried = yield* client.pipe(HttpClient.retryTransient({ times: 2, mode: "both" })).get("/down")
            assert.strictEqual(retried.status, 503)
          }))
      }))

    it.scopedLive(`over ${name}: a scope closes what is under way`, () =>
      Effect.gen(function*() {
        const endless = yield* tcp((socket) =>
          socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
        )
        yield* over(layer, (client) =>
          Effect.gen(function*() {
            const scope = yield* Scope.make()
            yield* Scope.extend(HttpClient.withScope(client).get(endless.url), scope)
            assert.strictEqual(endless.open.size, 1)
            yield* Scope.close(scope, Exit.void)
            yield* until(() => endless.open.size === 0)
          }))
      }))

    it.scopedLive(`over ${name}: a span where a tracer is set, and trace headers with it`, () =>
      Effect.gen(function*() {
        const { spans, tracer } = yield* recording
        const { url } = yield* server
        yield* over(layer, (client) =>
          Effect.gen(function*() {
            const traced = Effect.flatMap(client.get(`${url}/a?b=c`), (response) => response.text).pipe(
              Effect.withTracer(tracer)
            )
            const { trace }: { readonly trace: string } = JSON.parse(yield* traced)
            const attributes = Object.fromEntries(spans[0]?.attributes ?? [])
            assert.deepStrictEqual(
              [attributes["url.path"], attributes["url.query"], attributes["http.response.status_code"]],
              ["/a", "b=c", 200]
            )
            assert.include(trace, spans[0]?.traceId ?? "none")
            const quiet = HttpClient.withTracerDisabledWhen(client, () => true)
            yield* Effect.withTracer(Effect.flatMap(quiet.get(url), (response) => response.text), tracer)
            yield* client.get(url).pipe(Effect.withTracer(tracer), Effect.withTracerEnabled(false))
            assert.strictEqual(spans.length, 1)
          }))
      }))

    it.scopedLive(`over ${name}: a provider's requests have no span and no trace headers, and follow no redirect`, () =>
      Effect.gen(function*() {
        const { spans, tracer } = yield* recording
        const { url } = yield* server
        const request = HttpClientRequest.post("/", { body: RequestBody.fromJson({ messages: [] }) })
        yield* over(layer, (client) =>
          Effect.gen(function*() {
            const post = (baseUrl: string) =>
              Effect.withTracer(OpenAiCompatible.make({ baseUrl }).client(client)("m").execute(request), tracer)
            const answer: { readonly url: string; readonly trace?: string } = JSON.parse(yield* (yield* post(url)).text)
            assert.deepStrictEqual([answer.url, answer.trace], ["/chat/completions", undefined])
            assert.strictEqual((yield* post(`${url}/from`)).status, 302)
            assert.deepStrictEqual(spans, [])
          }))
      }))
  }

  it.scopedLive("a dispatcher of the user's has what it intercepts, and is left open", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const agent = new Undici.Agent()
      const seen: Array<string> = []
      const dispatcher = agent.compose((dispatch) => (options, handler) => {
        seen.push(options.path)
        return dispatch(options, handler)
      })
      yield* over(Transport.layerDispatcher(dispatcher), (client) => textOf(client, HttpClientRequest.get(`${url}/a`)))
      assert.deepStrictEqual(seen, ["/a"])
      assert.isFalse(agent.destroyed || agent.closed)
      yield* Effect.promise(() => agent.destroy())
    }))

  it.scopedLive("a proxy", () =>
    Effect.gen(function*() {
      const { url } = yield* server
      const seen: Array<string> = []
      const proxy = yield* http((request, response) => {
        seen.push(request.url ?? "")
        Http.get(request.url ?? "", (answer) => answer.pipe(response))
      })
      const dispatcher = new Undici.ProxyAgent({ uri: proxy.url, proxyTunnel: false })
      const text = yield* over(Transport.layerDispatcher(dispatcher), (client) =>
        textOf(client, HttpClientRequest.get(`${url}/a`)))
      assert.include(text, "/a")
      assert.deepStrictEqual(seen, [`${url}/a`])
      yield* Effect.promise(() =>
        dispatcher.close()
      )
    }))
})
