import effect from "@effect/eslint-plugin/configs/dprint"
import js from "@eslint/js"
import tseslint from "typescript-eslint"

/** What no room below the service may import. */
const service = ["**/ChatCompletions.js", "**/service/**", "**/Testing.js", "**/testing/**"]

const forbid = (files, group, message) => ({
  files,
  rules: { "no-restricted-imports": ["error", { patterns: [{ group: [...group, ...service], message }] }] }
})

export default tseslint.config(
  { ignores: ["dist/", "docs/", "coverage/", "test/bench/.build/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  ...effect,
  {
    files: ["**/*.{ts,mjs}"],
    rules: {
      "@effect/dprint": ["error", {
        config: {
          indentWidth: 2,
          lineWidth: 120,
          semiColons: "asi",
          quoteStyle: "alwaysDouble",
          trailingCommas: "never",
          operatorPosition: "maintain",
          "arrowFunction.useParentheses": "force"
        }
      }],
      "@typescript-eslint/array-type": ["error", { default: "generic", readonly: "generic" }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-empty-object-type": "off",
      "@typescript-eslint/no-namespace": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-undef": "off", // the compiler knows better
      "no-redeclare": "off", // a schema and its type share a name
      "object-shorthand": "error",
      "require-yield": "off" // an Effect.gen may have nothing to wait for
    }
  },
  {
    files: ["src/**"],
    rules: {
      "@effect/no-import-from-barrel-package": ["error", { packageNames: ["effect", "@effect/platform"] }],
      "@typescript-eslint/no-explicit-any": "error",
      "no-console": "error",
      "no-restricted-properties": [
        "error",
        { object: "Date", property: "now", message: "Time comes from the Clock service." },
        { object: "Math", property: "random", message: "Chance comes from the Random service." }
      ],
      "no-restricted-syntax": [
        "error",
        {
          selector: "TSAsExpression > TSAsExpression[typeAnnotation.type='TSUnknownKeyword']",
          message: "A cast through unknown hides a doubt from the compiler."
        },
        {
          selector: "CallExpression[callee.property.name='push'] > SpreadElement.arguments",
          message: "A spread argument overflows the stack when the array is long."
        }
      ]
    }
  },
  { files: ["test/**"], rules: { "@typescript-eslint/no-explicit-any": "off" } },
  // the rooms of src: HttpPolicy is the waist, which every room may stand on
  forbid(
    ["src/policy/**"],
    ["**/provider/**", "**/prompt/**"],
    "A policy knows neither providers nor the service."
  ),
  forbid(
    ["src/provider/**"],
    ["**/policy/**", "!**/policy/HttpPolicy.js", "**/prompt/**"],
    "A provider knows neither policies nor the service."
  ),
  forbid(
    ["src/wire/**"],
    ["**/policy/**", "!**/policy/HttpPolicy.js", "**/provider/**", "**/prompt/**"],
    "The wire knows nothing of what is built on it."
  )
)
