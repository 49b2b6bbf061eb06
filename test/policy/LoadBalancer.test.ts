import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FastCheck from "effect/FastCheck"
import * as Random from "effect/Random"
import * as LoadBalancer from "../../src/policy/LoadBalancer.js"
import * as RouterError from "../../src/RouterError.js"

/** The entries 0, 1, 2, … with these weights. */
const entries = (weights: ReadonlyArray<number>) => weights.map((weight, value) => ({ weight, value }))

const pickAt = (weights: ReadonlyArray<number>, random: number): number =>
  Effect.runSync(Effect.withRandomFixed(LoadBalancer.pick(entries(weights)), [random]))

const orderAt = (weights: ReadonlyArray<number>, randoms: [number, ...Array<number>]): ReadonlyArray<number> =>
  Effect.runSync(Effect.withRandomFixed(LoadBalancer.order(entries(weights)), randoms))

/** How often each entry is drawn in `picks` draws. */
const frequencies = (weights: ReadonlyArray<number>, picks: number, seed: string): ReadonlyArray<number> => {
  const counts = weights.map(() => 0)
  const pick = LoadBalancer.pick(entries(weights))
  const count = Effect.map(pick, (index) => {
    counts[index]!++
  })
  Effect.runSync(Effect.withRandom(Effect.repeatN(count, picks - 1), Random.make(seed)))
  return counts
}

const invalid = (build: () => unknown): RouterError.InvalidRequest => {
  try {
    build()
  } catch (error) {
    assert.instanceOf(error, RouterError.InvalidRequest)
    return error
  }
  return assert.fail("it was accepted")
}

/** A randomness that nobody may ask for. */
const noRandom: Random.Random = {
  ...Random.make("unused"),
  next: Effect.die("randomness was asked for")
}

const arbitraryWeights = FastCheck.array(
  FastCheck.oneof(
    FastCheck.constant(0),
    FastCheck.integer({ min: 1, max: 100 }),
    FastCheck.double({ min: 0, max: Number.MAX_VALUE, noNaN: true })
  ),
  { minLength: 1, maxLength: 12 }
).filter((weights) => weights.some((weight) => weight > 0))

/** What `Random.next` may give. */
const arbitraryRandom = FastCheck.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })

const laws = { fastCheck: { numRuns: 1000 } }

describe("validation", () => {
  const builders = { pick: LoadBalancer.pick, order: LoadBalancer.order }

  for (const [name, build] of Object.entries(builders)) {
    for (const weight of [NaN, -1, -Number.MIN_VALUE, Infinity, -Infinity]) {
      it(`${name} names the entry with the weight ${weight}, when it is built`, () => {
        const error = invalid(() => build(entries([1, weight, 1])))
        assert.strictEqual(error.path, "[1].weight")
        assert.notInclude(error.message, String(weight))
      })
    }

    it(`${name} names the first of several`, () => {
      assert.strictEqual(invalid(() => build(entries([0, 0, 0, NaN, -1]))).path, "[3].weight")
    })

    for (const weights of [[], [0], [0, 0, -0]]) {
      it(`${name} wants one weight above 0 among [${weights}]`, () => {
        const error = invalid(() => build(entries(weights)))
        assert.strictEqual(error.path, "")
        assert.include(error.message, "above 0")
      })
    }
  }

  it("weighted checks when it is built, and shows nothing of the client", () => {
    const client = HttpClient.make(() => Effect.die("sk-secret"))
    const error = invalid(() => LoadBalancer.weighted([{ weight: 1, value: client }, { weight: NaN, value: client }]))
    assert.strictEqual(error.path, "[1].weight")
    assert.notInclude(JSON.stringify(error), "sk-secret")
  })
})

describe("pick", () => {
  it("gives each entry its share of the sum: 0.4 of 1.2 is the first third", () => {
    assert.strictEqual(pickAt([0.4, 0.8], 0), 0)
    assert.strictEqual(pickAt([0.4, 0.8], 0.3333), 0)
    assert.strictEqual(pickAt([0.4, 0.8], 0.3334), 1)
    assert.strictEqual(pickAt([0.4, 0.8], 0.999_999), 1)
  })

  it("a boundary belongs to the entry that begins there", () => {
    // shares that have an exact sum
    assert.strictEqual(pickAt([1, 3], 0.25 - Number.EPSILON / 8), 0)
    assert.strictEqual(pickAt([1, 3], 0.25), 1)
    assert.strictEqual(pickAt([2, 1, 1], 0.5 - Number.EPSILON / 4), 0)
    assert.strictEqual(pickAt([2, 1, 1], 0.5), 1)
    assert.strictEqual(pickAt([2, 1, 1], 0.75), 2)
  })

  it("an entry without weight is passed over at every boundary", () => {
    assert.strictEqual(pickAt([0, 1, 0, 1, 0], 0), 1)
    assert.strictEqual(pickAt([0, 1, 0, 1, 0], 0.5), 3)
    assert.strictEqual(pickAt([0, 1, 0, 1, 0], 1 - Number.EPSILON / 2), 3)
  })

  it("the last entry with a weight takes what rounding leaves, even at 1", () => {
    assert.strictEqual(pickAt([0.1, 0.2, 0.3, 0], 1), 2)
    assert.strictEqual(pickAt(Array.from({ length: 10 }, () => 0.1), 1), 9)
  })

  it("weights whose sum overflows are drawn like any others", () => {
    const huge = [1e308, 1e308, 1e308]
    assert.deepStrictEqual([0, 0.3, 0.34, 0.6, 0.67, 0.99].map((random) => pickAt(huge, random)), [0, 0, 1, 1, 2, 2])
  })

  it("so are the smallest weights there are", () => {
    const tiny = [Number.MIN_VALUE, Number.MIN_VALUE, Number.MIN_VALUE]
    assert.deepStrictEqual([0, 0.34, 0.67].map((random) => pickAt(tiny, random)), [0, 1, 2])
  })

  it("draws anew each time it is run", () => {
    const pick = LoadBalancer.pick(entries([1, 1]))
    const picks = Effect.runSync(Effect.withRandomFixed(Effect.all([pick, pick, pick]), [0.9, 0.1, 0.6]))
    assert.deepStrictEqual(picks, [1, 0, 1])
  })

  it("L34: one entry with a weight needs no randomness", () => {
    const run = (weights: ReadonlyArray<number>) =>
      Effect.runSync(Effect.withRandom(LoadBalancer.pick(entries(weights)), noRandom))
    assert.strictEqual(run([7]), 0)
    assert.strictEqual(run([0, 0, 1e-300, 0]), 2)
  })

  it.prop("L32: what is picked has a weight", { weights: arbitraryWeights, random: arbitraryRandom }, (_) => {
    assert.isAbove(_.weights[pickAt(_.weights, _.random)]!, 0)
  }, laws)

  it.prop(
    "L31: only the ratio of the weights counts",
    {
      weights: FastCheck.array(FastCheck.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 8 }).filter((_) =>
        _.some((weight) => weight > 0)
      ),
      random: arbitraryRandom,
      // a power of two scales without rounding
      exponent: FastCheck.integer({ min: -300, max: 300 })
    },
    ({ exponent, random, weights }) =>
      assert.strictEqual(pickAt(weights.map((weight) => weight * 2 ** exponent), random), pickAt(weights, random)),
    laws
  )
})

describe("the distribution of 100,000 picks", () => {
  const picks = 100_000

  /** χ² by degrees of freedom that chance passes once in a million times. */
  const critical: Readonly<Record<number, number>> = { 1: 23.93, 2: 27.63, 3: 30.66, 4: 33.38, 9: 44.81, 19: 63.68 }

  const chiSquare = (weights: ReadonlyArray<number>, counts: ReadonlyArray<number>): number => {
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return weights.reduce((sum, weight, index) => {
      const expected = picks * weight / total
      return weight === 0 ? sum : sum + (counts[index]! - expected) ** 2 / expected
    }, 0)
  }

  const distributions: ReadonlyArray<ReadonlyArray<number>> = [
    [0.7, 0.3],
    [0.001, 1],
    [0.4, 0.8, 0],
    [1, 2, 3],
    [0.5, 0.5, 0.5, 0.5],
    [5, 0, 1, 1, 1, 2],
    Array.from({ length: 10 }, (_, index) => index + 1),
    Array.from({ length: 20 }, () => 0.05)
  ]

  for (const weights of distributions) {
    it(`L30: is that of the weights ${weights.join(", ")}`, () => {
      const counts = frequencies(weights, picks, `chi ${weights}`)
      const degrees = weights.filter((weight) => weight > 0).length - 1
      assert.isBelow(chiSquare(weights, counts), critical[degrees]!)
      weights.forEach((weight, index) => weight === 0 && assert.strictEqual(counts[index], 0))
    })
  }

  it("L33: does not depend on the order of the entries", () => {
    const weights = [1, 2, 3, 4, 5]
    for (const order of [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3]]) {
      const permuted = order.map((index) => weights[index]!)
      assert.isBelow(chiSquare(permuted, frequencies(permuted, picks, `order ${order}`)), critical[4]!)
    }
  })

  it("L31: does not depend on their scale", () => {
    const weights = [1, 2, 3, 4, 5]
    for (const scale of [1e-300, 1e300, 3.7e307]) {
      const scaled = weights.map((weight) => weight / 5 * scale)
      assert.isBelow(chiSquare(weights, frequencies(scaled, picks, `scale ${scale}`)), critical[4]!)
    }
  })

  it("bites: weights that are off by a percent are found out", () => {
    assert.isAbove(chiSquare([0.5, 0.5], frequencies([0.51, 0.49], picks, "control")), critical[1]!)
  })
})

describe("pickEligible", () => {
  const arbitraryCase = FastCheck.record({ weights: arbitraryWeights, random: arbitraryRandom, mask: FastCheck.nat() })

  it.prop("draws like pick among those that are eligible, and among all when none is", { drawn: arbitraryCase }, ({
    drawn: { mask, random, weights }
  }) => {
    const isOut = (index: number) => (mask >> (index % 31) & 1) === 1
    const left = weights.map((weight, index) => isOut(index) ? 0 : weight)
    const picked = Effect.runSync(Effect.withRandomFixed(
      LoadBalancer.pickEligible(entries(weights), (index) => Effect.succeed(!isOut(index))),
      [random]
    ))
    assert.strictEqual(picked, pickAt(left.some((weight) => weight > 0) ? left : weights, random))
  }, laws)

  it("asks anew for each draw", () => {
    const out = new Set<number>()
    const pick = Effect.withRandomFixed(
      LoadBalancer.pickEligible(entries([1, 1]), (index) => Effect.sync(() => !out.has(index))),
      [0]
    )
    assert.strictEqual(Effect.runSync(pick), 0)
    out.add(0)
    assert.strictEqual(Effect.runSync(pick), 1)
    out.clear()
    assert.strictEqual(Effect.runSync(pick), 0)
  })

  it("is checked when it is built", () => {
    assert.strictEqual(
      invalid(() => LoadBalancer.pickEligible(entries([1, -1]), () => Effect.succeed(true))).path,
      "[1].weight"
    )
  })
})

describe("order", () => {
  it("draws the first like pick, and the others by what is left", () => {
    // 1, 1, 2: the sum is 4, then 3 (without the first), then one is left
    assert.deepStrictEqual(orderAt([1, 1, 2], [0.2, 0.3]), [0, 1, 2])
    assert.deepStrictEqual(orderAt([1, 1, 2], [0.2, 0.34]), [0, 2, 1])
    assert.deepStrictEqual(orderAt([1, 1, 2], [0.5, 0.5]), [2, 1, 0])
  })

  it("leaves out what has no weight", () => {
    assert.deepStrictEqual(orderAt([0, 1, 0], [0.5]), [1])
  })

  it("keeps entries that are small beside others", () => {
    assert.deepStrictEqual(orderAt([1e308, 1e-20], [0.5]), [0, 1])
    assert.deepStrictEqual(orderAt([1e-20, 1e308, 3e-20], [0.24]), [1, 0, 2])
    assert.deepStrictEqual(orderAt([1e-20, 1e308, 3e-20], [0.26]), [1, 2, 0])
  })

  it("L34: needs no randomness for one", () => {
    assert.deepStrictEqual(
      Effect.runSync(Effect.withRandom(LoadBalancer.order(entries([0, 3])), noRandom)),
      [1]
    )
  })

  it("each run is another drawing", () => {
    const order = LoadBalancer.order(entries([1, 1]))
    const orders = Effect.runSync(Effect.withRandomFixed(Effect.all([order, order]), [0.9, 0.1]))
    assert.deepStrictEqual(orders, [[1, 0], [0, 1]])
  })

  it.prop(
    "L35: every entry with a weight, each once",
    {
      weights: arbitraryWeights,
      randoms: FastCheck.array(arbitraryRandom, { minLength: 12, maxLength: 12 })
    },
    ({ randoms, weights }) => {
      const [first = 0, ...rest] = randoms
      assert.deepStrictEqual(
        orderAt(weights, [first, ...rest]).slice().sort((a, b) => a - b),
        weights.flatMap((weight, index) => weight > 0 ? [index] : [])
      )
    },
    laws
  )
})

describe("weighted", () => {
  const request = HttpClientRequest.get("http://localhost/")

  const named = (name: string) =>
    HttpClient.make((request) =>
      Effect.sync(() => HttpClientResponse.fromWeb(request, new Response(null, { headers: { server: name } })))
    )

  it.effect("draws anew for every request", () =>
    Effect.gen(function*() {
      const client = LoadBalancer.weighted([
        { weight: 0.7, value: named("a") },
        { weight: 0.3, value: named("b") }
      ])
      const name = Effect.map(client.execute(request), (response) => response.headers["server"])
      const names = yield* Effect.withRandomFixed(Effect.all([name, name, name, name]), [0.69, 0.71, 0, 0.99])
      assert.deepStrictEqual(names, ["a", "b", "a", "b"])
    }))

  it.effect("gives the request to the picked client only, and its failure back", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const failing = HttpClient.makeWith(
        (incoming: Effect.Effect<HttpClientRequest.HttpClientRequest>) =>
          Effect.flatMap(incoming, (request) => {
            seen.push(request.url)
            return Effect.fail("no" as const)
          }),
        Effect.succeed
      )
      const client = LoadBalancer.weighted<string, never>([
        { weight: 1, value: failing },
        { weight: 1, value: HttpClient.transform(failing, () => Effect.dieMessage("not this one")) }
      ])
      const error = yield* Effect.flip(Effect.withRandomFixed(client.execute(request), [0.1]))
      assert.strictEqual(error, "no")
      assert.deepStrictEqual(seen, [request.url])
    }))
})
