// The call of the published SDK's page, as it stands there: only the import is another.
/* eslint-disable @effect/dprint */
import "./_hosted.js";
import { Orq } from "effect-llm-router/Orq";

const orq = new Orq({
  apiKey: process.env["ORQ_API_KEY"] ?? "",
});

async function run() {
  const result = await orq.router.chat.completions.create({
    messages: [],
    model: "Model 3",
    fallbacks: [
      {
        model: "openai/gpt-4o-mini",
      },
    ],
    retry: {
      onCodes: [
        429,
        500,
        502,
        503,
        504,
      ],
    },
    cache: {
      ttl: 3600,
      type: "exact_match",
    },
    loadBalancer: {
      type: "weight_based",
      models: [
        {
          model: "openai/gpt-4o",
          weight: 0.7,
        },
      ],
    },
    timeout: {
      callTimeout: 30000,
    },
  });

  console.log(result);
}

run();
