/** A tracer that somebody has set: its spans are Effect's own, which go nowhere. */
import * as Context from "effect/Context"
import * as DefaultServices from "effect/DefaultServices"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

const { context, span } = Context.get(DefaultServices.liveServices, Tracer.Tracer)

export const layerTracer: Layer.Layer<never> = Layer.setTracer(Tracer.make({ context, span }))
