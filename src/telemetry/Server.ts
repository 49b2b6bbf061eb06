/**
 * Where a target is, as spans and metrics name it.
 *
 * @since 0.1.0
 */

/**
 * @since 0.1.0
 * @category models
 */
export interface Server {
  /** A host name or an IP address, without brackets. */
  readonly address: string
  readonly port: number
}

const defaultPorts: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 }

/**
 * The server of a URL, or `undefined` where the text is no URL with a host.
 *
 * @since 0.1.0
 * @category constructors
 */
export const fromUrl = (text: string): Server | undefined => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const port = url === undefined || url.port !== "" ? Number(url?.port) : defaultPorts[url.protocol]
  return url === undefined || url.hostname === "" || port === undefined
    ? undefined
    : { address: url.hostname.replace(/^\[|\]$/g, ""), port }
}
