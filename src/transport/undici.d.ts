/**
 * Two files of undici, instead of all of it: its index loads fetch, caches, mocks and web sockets, which takes five times as long.
 * The package has no `exports`, and the paths are the same in all of version 7.
 */
declare module "undici/lib/dispatcher/client.js" {
  import { Client } from "undici"
  export default Client
}

declare module "undici/lib/core/connect.js" {
  import { buildConnector } from "undici"
  export default buildConnector
}
