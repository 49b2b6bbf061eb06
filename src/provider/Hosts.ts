/**
 * The hosts that are known by name: where their OpenAI-compatible API begins and which environment variables hold their keys.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Host {
  /** The base URL; `/chat/completions` is added. */
  readonly baseUrl: string
  /** The environment variables that may hold the key, the first that is set wins. None: the host needs no key. */
  readonly keys: ReadonlyArray<string>
}

/**
 * Sources: the API reference of each host.
 *
 * @since 0.1.0
 * @category defaults
 */
export const hosts = {
  openai: { baseUrl: "https://api.openai.com/v1", keys: ["OPENAI_API_KEY"] },
  anthropic: { baseUrl: "https://api.anthropic.com/v1", keys: ["ANTHROPIC_API_KEY"] },
  google: {
    baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai",
    keys: ["GEMINI_API_KEY", "GOOGLE_API_KEY"]
  },
  groq: { baseUrl: "https://api.groq.com/openai/v1", keys: ["GROQ_API_KEY"] },
  mistral: { baseUrl: "https://api.mistral.ai/v1", keys: ["MISTRAL_API_KEY"] },
  deepseek: { baseUrl: "https://api.deepseek.com/v1", keys: ["DEEPSEEK_API_KEY"] },
  xai: { baseUrl: "https://api.x.ai/v1", keys: ["XAI_API_KEY"] },
  together: { baseUrl: "https://api.together.xyz/v1", keys: ["TOGETHER_API_KEY"] },
  fireworks: { baseUrl: "https://api.fireworks.ai/inference/v1", keys: ["FIREWORKS_API_KEY"] },
  openrouter: { baseUrl: "https://openrouter.ai/api/v1", keys: ["OPENROUTER_API_KEY"] },
  perplexity: { baseUrl: "https://api.perplexity.ai", keys: ["PERPLEXITY_API_KEY"] },
  cerebras: { baseUrl: "https://api.cerebras.ai/v1", keys: ["CEREBRAS_API_KEY"] },
  ollama: { baseUrl: "http://localhost:11434/v1", keys: [] }
} as const satisfies Record<string, Host>

/**
 * @since 0.1.0
 * @category models
 */
export type HostName = keyof typeof hosts
