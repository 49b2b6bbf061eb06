/**
 * Chat templates with the constructs that those of model cards are made of. They are written for these tests.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Template from "../../src/prompt/Template.js"
import type { Variables } from "../../src/prompt/Variables.js"

const render = (text: string, variables: Variables) => Template.renderText(text, variables, { engine: "jinja" })

const refused = (text: string, variables: Variables) =>
  Effect.map(Effect.flip(render(text, variables)), ({ reason }) => reason)

const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "Tells the weather.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  }
}

const call = { id: "call00001", type: "function", function: { name: "weather", arguments: { city: "Rome" } } }

const talk = [
  { role: "system", content: " Be {{kind}}. " },
  { role: "user", content: "Weather?" },
  { role: "assistant", content: null, tool_calls: [call] },
  { role: "tool", content: "Sunny", tool_call_id: "call00001" },
  { role: "tool", content: "Warm", tool_call_id: "call00001" },
  { role: "assistant", content: "Sunny, warm.<|im_end|>" },
  { role: "user", content: "{{ thanks }}" }
]

describe("a template in the style of Llama 3", () => {
  const template = `{{- bos_token }}
{%- if custom_tools is defined %}
    {%- set tools = custom_tools %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "01 Jan 2026" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if builtin_tools is defined or tools is not none %}
    {{- "Environment: ipython\\n" }}
{%- endif %}
{%- if builtin_tools is defined %}
    {{- "Tools: " + builtin_tools | reject('equalto', 'code_interpreter') | join(", ") + "\\n\\n" }}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{%- if tools is not none %}
    {%- for t in tools %}
        {{- t | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- system_message + "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'ipython' or message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("This model only supports single tool-calls at once!") }}
        {%- endif %}
        {%- set tool_call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n<|python_tag|>' + tool_call.name + ".call(" }}
        {%- for arg_name, arg_val in tool_call.arguments | items %}
            {{- arg_name + '="' + arg_val + '"' }}
            {%- if not loop.last %}
                {{- ", " }}
            {%- endif %}
        {%- endfor %}
        {{- ")<|eom_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or message.content is iterable and message.content is not string %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
`
  it.effect("renders", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* render(template, {
          bos_token: "<s>",
          builtin_tools: ["search", "code_interpreter"],
          messages: [...talk.slice(0, 4), { role: "tool", content: { c: [1] } }],
          add_generation_prompt: true
        }),
        "<s><|start_header_id|>system<|end_header_id|>\n\nEnvironment: ipython\nTools: search\n\n" +
          "Today Date: 01 Jan 2026\n\nBe {{kind}}.<|eot_id|>" +
          "<|start_header_id|>user<|end_header_id|>\n\nWeather?<|eot_id|>" +
          "<|start_header_id|>assistant<|end_header_id|>\n\n<|python_tag|>weather.call(city=\"Rome\")<|eom_id|>" +
          "<|start_header_id|>ipython<|end_header_id|>\n\nSunny<|eot_id|>" +
          "<|start_header_id|>ipython<|end_header_id|>\n\n{\"c\": [1]}<|eot_id|>" +
          "<|start_header_id|>assistant<|end_header_id|>\n\n"
      )
    }))
})

describe("a template in the style of Qwen", () => {
  const template = `{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}
        {{- messages[0].content + '\\n\\n' }}
    {%- endif %}
    {{- "# Tools\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(multi_step_tool=true, last_query_index=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.multi_step_tool and message.role == "user" and message.content is string and not(message.content.startswith('<tool_response>') and message.content.endswith('</tool_response>')) %}
        {%- set ns.multi_step_tool = false %}
        {%- set ns.last_query_index = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set content = message.content if message.content is string else '' %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query_index and (loop.last or reasoning) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {%- if message.tool_calls %}
            {%- for tool_call in message.tool_calls %}
                {%- if (loop.first and content) or (not loop.first) %}
                    {{- '\\n' }}
                {%- endif %}
                {%- if tool_call.function is defined %}
                    {%- set tool_call = tool_call.function %}
                {%- endif %}
                {{- '<tool_call>\\n{"name": "' }}
                {{- tool_call.name }}
                {{- '", "arguments": ' }}
                {%- if tool_call.arguments is string %}
                    {{- tool_call.arguments }}
                {%- else %}
                    {{- tool_call.arguments | tojson }}
                {%- endif %}
                {{- '}\\n</tool_call>' }}
            {%- endfor %}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
`
  it.effect("renders", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* render(template, {
          tools: [weather],
          messages: talk,
          add_generation_prompt: true,
          enable_thinking: false
        }),
        "<|im_start|>system\n Be {{kind}}. \n\n# Tools\n<tools>\n" +
          "{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Tells the weather.\", " +
          "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]}}}" +
          "\n</tools><|im_end|>\n<|im_start|>user\nWeather?<|im_end|>\n" +
          "<|im_start|>assistant\n<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call><|im_end|>\n" +
          "<|im_start|>user\n<tool_response>\nSunny\n</tool_response>\n<tool_response>\nWarm\n</tool_response><|im_end|>\n" +
          "<|im_start|>assistant\nSunny, warm.<|im_end|><|im_end|>\n<|im_start|>user\n{{ thanks }}<|im_end|>\n" +
          "<|im_start|>assistant\n<think>\n\n</think>\n\n"
      )
    }))

  it.effect("takes newlines away, and no spaces", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* render(template, {
          messages: [
            { role: "user", content: "a" },
            { role: "assistant", content: "<think>\n\n  indented \n</think>\n\n  answer" }
          ]
        }),
        "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>\n  indented \n</think>\n\n  answer<|im_end|>\n"
      )
    }))
})

describe("a template in the style of Mistral", () => {
  const template = `{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.role == "tool_results" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After the optional system message, conversation roles must alternate user/assistant") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[AVAILABLE_TOOLS][" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/AVAILABLE_TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST]" + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST]" + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif (message.tool_calls is defined and message.tool_calls is not none) %}
        {{- "[TOOL_CALLS][" }}
        {%- for tool_call in message.tool_calls %}
            {%- set out = tool_call.function|tojson %}
            {{- out[:-1] }}
            {%- if not tool_call.id is defined or tool_call.id|length != 9 %}
                {{- raise_exception("Tool call IDs should be alphanumeric strings with length 9!") }}
            {%- endif %}
            {{- ', "id": "' + tool_call.id + '"}' }}
            {{- "]" + eos_token if loop.last else ", " }}
        {%- endfor %}
    {%- elif message["role"] == "assistant" %}
        {{- message["content"] + eos_token }}
    {%- elif message["role"] == "tool_results" or message["role"] == "tool" %}
        {%- if message.content is defined and message.content.content is defined %}
            {%- set content = message.content.content %}
        {%- else %}
            {%- set content = message.content %}
        {%- endif %}
        {{- '[TOOL_RESULTS]{"content": ' + content|string + ", " }}
        {{- '"call_id": "' + message.tool_call_id + '"}[/TOOL_RESULTS]' }}
    {%- else %}
        {{- raise_exception("Only user and assistant roles are supported") }}
    {%- endif %}
{%- endfor %}
`
  const tokens = { bos_token: "<s>", eos_token: "</s>" }

  it.effect("renders", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* render(template, { ...tokens, messages: talk, tools: [weather] }),
        "<s>[INST]Weather?[/INST]" +
          "[TOOL_CALLS][{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}, \"id\": \"call00001\"}]</s>" +
          "[TOOL_RESULTS]{\"content\": Sunny, \"call_id\": \"call00001\"}[/TOOL_RESULTS]" +
          "[TOOL_RESULTS]{\"content\": Warm, \"call_id\": \"call00001\"}[/TOOL_RESULTS]" +
          "Sunny, warm.<|im_end|></s>" +
          "[AVAILABLE_TOOLS][{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Tells the weather.\", " +
          "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}, \"required\": [\"city\"]}}}]" +
          "[/AVAILABLE_TOOLS][INST] Be {{kind}}. \n\n{{ thanks }}[/INST]"
      )
      assert.strictEqual(yield* refused(template, { ...tokens, messages: [talk[1], talk[1]] }), "raised")
      assert.strictEqual(
        yield* refused(template, {
          ...tokens,
          messages: [talk[1], { ...talk[2], tool_calls: [{ ...call, id: "1" }] }]
        }),
        "raised"
      )
    }))
})

describe("a template in the style of Gemma", () => {
  const template = `{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<start_of_image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model\\n'}}
{%- endif -%}
`
  it.effect("renders", () =>
    Effect.gen(function*() {
      const messages = [
        { role: "system", content: [{ type: "text", text: "Be kind." }] },
        { role: "user", content: [{ type: "image" }, { type: "text", text: " <end_of_turn> " }] },
        { role: "assistant", content: " Yes " }
      ]
      assert.strictEqual(
        yield* render(template, { bos_token: "<bos>", messages, add_generation_prompt: true }),
        "<bos><start_of_turn>user\nBe kind.\n\n<start_of_image><end_of_turn><end_of_turn>\n" +
          "<start_of_turn>model\nYes<end_of_turn>\n<start_of_turn>model\n"
      )
      assert.strictEqual(
        yield* refused(template, { bos_token: "", messages: [{ role: "user", content: 1 }] }),
        "raised"
      )
    }))
})

describe("a template in the style of DeepSeek", () => {
  const template = "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}" +
    "{% set ns = namespace(is_first=false, is_tool=false, is_output_first=true, system_prompt='', is_first_sp=true) %}" +
    "{%- for message in messages %}{%- if message['role'] == 'system' %}{%- if ns.is_first_sp %}" +
    "{% set ns.system_prompt = ns.system_prompt + message['content'] %}{% set ns.is_first_sp = false %}{%- else %}" +
    "{% set ns.system_prompt = ns.system_prompt + '\\n\\n' + message['content'] %}{%- endif %}{%- endif %}{%- endfor %}" +
    "{{ bos_token }}{{ ns.system_prompt }}{%- for message in messages %}" +
    "{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}{{'<｜User｜>' + message['content']}}{%- endif %}" +
    "{%- if message['role'] == 'assistant' and message['content'] is none %}{%- set ns.is_tool = false -%}" +
    "{%- for tool in message['tool_calls'] %}{%- if not ns.is_first %}" +
    "{{'<｜Assistant｜><｜tool▁call▁begin｜>' + tool['type'] + '<｜tool▁sep｜>' + tool['function']['name'] + '\\n' + " +
    "tool['function']['arguments'] | tojson + '<｜tool▁call▁end｜>'}}{%- set ns.is_first = true -%}{%- else %}" +
    "{{'\\n' + tool['type']}}{%- endif %}{%- endfor %}{{'<｜end▁of▁sentence｜>'}}{%- endif %}" +
    "{%- if message['role'] == 'assistant' and message['content'] is not none %}{%- if ns.is_tool %}" +
    "{{'<｜tool▁outputs▁end｜>' + message['content'] + '<｜end▁of▁sentence｜>'}}{%- set ns.is_tool = false -%}{%- else %}" +
    "{% set content = message['content'] %}{% if '</think>' in content %}" +
    "{% set content = content.split('</think>')[-1] %}{% endif %}{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}" +
    "{%- endif %}{%- endif %}{%- if message['role'] == 'tool' %}{%- set ns.is_tool = true -%}{%- if ns.is_output_first %}" +
    "{{'<｜tool▁outputs▁begin｜>' + message['content']}}{%- set ns.is_output_first = false %}{%- else %}" +
    "{{'\\n' + message['content']}}{%- endif %}{%- endif %}{%- endfor -%}" +
    "{% if ns.is_tool %}{{'<｜tool▁outputs▁end｜>'}}{% endif %}" +
    "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜><think>\\n'}}{% endif %}"

  it.effect("renders", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        yield* render(template, { bos_token: "<b>", messages: talk, add_generation_prompt: true }),
        "<b> Be {{kind}}. <｜User｜>Weather?<｜Assistant｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n" +
          "{\"city\": \"Rome\"}<｜tool▁call▁end｜><｜end▁of▁sentence｜><｜tool▁outputs▁begin｜>Sunny\nWarm" +
          "<｜tool▁outputs▁end｜>Sunny, warm.<|im_end|><｜end▁of▁sentence｜><｜User｜>{{ thanks }}<｜Assistant｜><think>\n"
      )
    }))
})
