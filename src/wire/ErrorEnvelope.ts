/**
 * What a provider says about an error, read out of the many forms in which providers say it.
 *
 * | form | from |
 * | --- | --- |
 * | `{"error":{"message","type","code","param"}}` | OpenAI, DeepSeek, Groq, Alibaba; `error.status` Google; `error.innererror` Azure |
 * | `{"message","type","code","param"}`, `{"object":"error",…}` | Cerebras, Baseten, Bedrock; Mistral, vLLM |
 * | `{"error":"text"}`, `{"code":"text","error":"text"}` | Hugging Face, Venice, Pollinations; xAI |
 * | `{"detail":"text"}`, `{"detail":[{"msg","type"}]}` | FastAPI: Hugging Face, Mistral 422 |
 * | `{"errors":[{"message","code"}],"success":false}` | Cloudflare |
 * | `{"type":"error","error":{…}}` | Anthropic |
 * | `[{"error":{…}}]` | Gemini |
 * | JSON, or `code=400, message=…`, as the message | Gemini, Groq |
 * | `{"choices":[{"error":{…}}]}` | OpenRouter |
 * | `error.metadata.raw` (JSON text or object), `details.error` | OpenRouter, Pollinations: the error of the provider behind |
 *
 * @since 0.1.0
 */

/**
 * Members that the provider left out are absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface Envelope {
  /**
   * What went wrong, in words: of the innermost provider that says so, at most `maxMessageLength` characters. It may
   * repeat the prompt or the key: it is for recognising known wordings, never for showing.
   */
  readonly message?: string
  /** The first type, e.g. `"invalid_request_error"`, or Google's status, e.g. `"RESOURCE_EXHAUSTED"`. */
  readonly type?: string
  /** The first code. A number is given as its digits. */
  readonly code?: string
  /** The first code (or `status_code`, `status`) that is an HTTP status, 100 to 599. */
  readonly status?: number
  /** Every message, the outermost first. */
  readonly messages: ReadonlyArray<string>
  /** Every code, then every type, the outermost first. */
  readonly codes: ReadonlyArray<string>
  /** The wait that Google names in its details, e.g. `"20s"`. */
  readonly retryDelay?: string
}

/**
 * How many characters of a message are kept: the known wordings stand at its beginning, and what follows is often the
 * request.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxMessageLength = 4096

/** The longest JSON text that is parsed, in characters: the bound of an error body. */
const maxJsonLength = 65_536

/** A longer text in the place of a code is not one. In characters. */
const maxCodeLength = 256

/**
 * How many envelopes inside each other are opened: a gateway, the provider, a JSON text in its message, and one to
 * spare.
 */
const maxDepth = 4

/** How many elements of a list of errors or details are looked at: the first say what is wrong. */
const maxElements = 8

interface Found {
  readonly messages: Array<string>
  readonly types: Array<string>
  readonly codes: Array<string>
  status: number | undefined
  retryDelay: string | undefined
}

type Json = { readonly [key: string]: unknown }

const isRecord = (u: unknown): u is Json => typeof u === "object" && u !== null && !Array.isArray(u)

/** Own members only, and null is absent. */
const get = (self: Json, key: string): unknown => Object.hasOwn(self, key) ? self[key] ?? undefined : undefined

/** The value of a JSON object or array in a text. `undefined` for every other text. */
const parseJson = (text: string): unknown => {
  if (text.length > maxJsonLength || !/^\s*[[{]/.test(text)) {
    return undefined
  }
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const addStatus = (found: Found, value: unknown): void => {
  const status = typeof value === "string" && /^[1-5]\d\d$/.test(value) ? Number(value) : value
  if (typeof status === "number" && Number.isInteger(status) && status >= 100 && status <= 599) {
    found.status ??= status
  }
}

const addCode = (found: Found, value: unknown): void => {
  addStatus(found, value)
  if (typeof value === "number" && Number.isFinite(value)) {
    found.codes.push(String(value))
  } else if (typeof value === "string" && value !== "" && value.length <= maxCodeLength) {
    found.codes.push(value)
  }
}

const addType = (found: Found, value: unknown): void => {
  if (typeof value === "string" && value !== "" && value.length <= maxCodeLength) {
    found.types.push(value)
  }
}

/** The form of Go's echo framework, which Groq lets through. */
const echo = /^code=(\d{3}), message=/

const addMessage = (found: Found, value: unknown, depth: number): void => {
  if (typeof value === "string" && value !== "") {
    const match = echo.exec(value)
    addStatus(found, match?.[1])
    const text = match === null ? value : value.slice(match[0].length)
    const json = parseJson(text)
    if (text !== "" && (json === undefined || !visit(found, json, depth + 1))) {
      found.messages.push(text.slice(0, maxMessageLength))
    }
  } else if (Array.isArray(value)) {
    const texts = value.slice(0, maxElements).filter((element) => typeof element === "string")
    addMessage(found, texts.join("; "), depth)
  } else if (isRecord(value)) {
    visit(found, value, depth + 1)
  }
}

/** Google's details are a list of typed records, those of a gateway hold the error of the provider behind it. */
const addDetails = (found: Found, details: unknown, depth: number): void => {
  if (isRecord(details)) {
    addCode(found, get(details, "error_code"))
    visit(found, details, depth + 1)
  } else if (Array.isArray(details)) {
    for (const detail of details.slice(0, maxElements)) {
      if (isRecord(detail)) {
        addCode(found, get(detail, "reason"))
        const delay = get(detail, "retryDelay")
        found.retryDelay ??= typeof delay === "string" ? delay : undefined
      }
    }
  }
}

/** An error object: the value of `error`, or a body that is one itself. */
const addError = (found: Found, error: Json, depth: number): void => {
  addCode(found, get(error, "code"))
  addType(found, get(error, "type"))
  addStatus(found, get(error, "status_code"))
  const status = get(error, "status")
  addStatus(found, status)
  addType(found, typeof status === "string" && !/^\d+$/.test(status) ? status : undefined)
  addMessage(found, get(error, "message") ?? get(error, "msg"), depth)
  const inner = get(error, "innererror")
  if (isRecord(inner)) {
    addCode(found, get(inner, "code"))
  }
  const metadata = get(error, "metadata")
  if (isRecord(metadata)) {
    addType(found, get(metadata, "error_type"))
    addMessage(found, get(metadata, "raw"), depth)
  }
  addDetails(found, get(error, "details"), depth)
}

/** FastAPI's list of what is wrong with which field. */
const addDetail = (found: Found, detail: unknown, depth: number): void => {
  if (Array.isArray(detail)) {
    const fields = detail.slice(0, maxElements).filter(isRecord)
    addType(found, fields.length === 0 ? undefined : get(fields[0]!, "type"))
    addMessage(found, fields.map((field) => get(field, "msg")), depth)
  } else {
    addMessage(found, detail, depth)
  }
}

const isPresent = (u: unknown): boolean => u !== undefined && u !== false && u !== ""

/** The value of `error` is an object, a text, or (NestJS) a flag or a phrase beside the message. */
const addErrorMember = (found: Found, body: Json, error: unknown, depth: number): void => {
  addCode(found, get(body, "code"))
  if (isRecord(error)) {
    addError(found, error, depth)
  } else {
    addCode(found, typeof error === "number" ? error : undefined)
    addMessage(found, error, depth)
    addMessage(found, get(body, "message"), depth)
  }
  addType(found, get(body, "error_type"))
  addStatus(found, get(body, "status"))
  addDetails(found, get(body, "details"), depth)
}

/** Whether an object is an error, or (OpenRouter) a completion with an error in a choice. */
const visitObject = (found: Found, body: Json, depth: number): boolean => {
  const error = get(body, "error")
  if (isPresent(error)) {
    addErrorMember(found, body, error, depth)
    return true
  }
  const choices = get(body, "choices")
  if (choices !== undefined) {
    return Array.isArray(choices) &&
      visit(found, choices.find((choice) => isRecord(choice) && isPresent(get(choice, "error"))), depth + 1)
  }
  const errors = get(body, "errors")
  const detail = get(body, "detail")
  if (Array.isArray(errors) && errors.length > 0 && get(body, "success") !== true) {
    // the first one says what is wrong
    addError(found, isRecord(errors[0]) ? errors[0] : { message: errors }, depth)
    return true
  }
  if (isPresent(detail)) {
    addDetail(found, detail, depth)
    return true
  }
  if (typeof (get(body, "message") ?? get(body, "msg")) === "string" || get(body, "object") === "error") {
    addError(found, body, depth)
    return true
  }
  return false
}

/** Whether the value is an error in one of the forms; what it says is added to `found`. */
const visit = (found: Found, value: unknown, depth: number): boolean => {
  if (depth > maxDepth) {
    return false
  }
  const body = Array.isArray(value) ? value[0] : value
  return isRecord(body) && (body === value || isPresent(get(body, "error"))) && visitObject(found, body, depth)
}

/**
 * The error in a body: a JSON value, or a text that holds one. `undefined` when there is none in it: a completion,
 * HTML, plain text, an unknown form. Takes anything, never throws, and its work is bounded by the sizes above.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (body: unknown): Envelope | undefined => {
  const found: Found = { messages: [], types: [], codes: [], status: undefined, retryDelay: undefined }
  if (!visit(found, typeof body === "string" ? parseJson(body) : body, 0)) {
    return undefined
  }
  const message = found.messages[found.messages.length - 1]
  const [type] = found.types
  const [code] = found.codes
  return {
    ...(message === undefined ? {} : { message }),
    ...(type === undefined ? {} : { type }),
    ...(code === undefined ? {} : { code }),
    ...(found.status === undefined ? {} : { status: found.status }),
    ...(found.retryDelay === undefined ? {} : { retryDelay: found.retryDelay }),
    messages: found.messages,
    codes: [...found.codes, ...found.types]
  }
}
