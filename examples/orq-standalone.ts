// The standalone function of the published SDK's page, as it stands there: only the imports are others.
/* eslint-disable @effect/dprint */
import "./_hosted.js";
import { OrqCore, routerChatCompletionsCreate } from "effect-llm-router/Orq";

// Use `OrqCore` for best tree-shaking performance.
// You can create one instance of it to use across an application.
const orq = new OrqCore({
  apiKey: process.env["ORQ_API_KEY"] ?? "",
});

async function run() {
  const res = await routerChatCompletionsCreate(orq, {
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
  if (res.ok) {
    const { value: result } = res;
    console.log(result);
  } else {
    console.log("routerChatCompletionsCreate failed:", res.error);
  }
}

run();
