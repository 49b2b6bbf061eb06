import { addEqualityTesters } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"

addEqualityTesters()
FastCheck.configureGlobal({ seed: Number(process.env.FAST_CHECK_SEED) })
