/**
 * The names of OpenTelemetry's stable HTTP semantic conventions that this library writes, and its own beside them.
 *
 * Source: OpenTelemetry semantic conventions, HTTP client spans (stable). Resilience has no conventions there yet; the names
 * under `resilience.` are ours.
 *
 * @since 0.1.0
 */

/** What went wrong: the status, the code, or the kind. @since 0.1.0 @category attributes */
export const ERROR_TYPE = "error.type"
/** The method, or `_OTHER`. @since 0.1.0 @category attributes */
export const HTTP_REQUEST_METHOD = "http.request.method"
/** The method as it was, where it is not a known one. @since 0.1.0 @category attributes */
export const HTTP_REQUEST_METHOD_ORIGINAL = "http.request.method_original"
/** How many times the request was sent before; absent the first time. @since 0.1.0 @category attributes */
export const HTTP_REQUEST_RESEND_COUNT = "http.request.resend_count"
/** The status. @since 0.1.0 @category attributes */
export const HTTP_RESPONSE_STATUS_CODE = "http.response.status_code"
/** The host. @since 0.1.0 @category attributes */
export const SERVER_ADDRESS = "server.address"
/** The port. @since 0.1.0 @category attributes */
export const SERVER_PORT = "server.port"
/** The whole address, redacted. @since 0.1.0 @category attributes */
export const URL_FULL = "url.full"
/** The path with names in the place of what differs from request to request. @since 0.1.0 @category attributes */
export const URL_TEMPLATE = "url.template"
/** The version of HTTP that was spoken, such as `1.1`. @since 0.1.0 @category attributes */
export const NETWORK_PROTOCOL_VERSION = "network.protocol.version"
/** A header of the request, by its name in lower case; its value is a list. @since 0.1.0 @category attributes */
export const httpRequestHeader = (name: string): string => `http.request.header.${name}`
/** A header of the response, by its name in lower case; its value is a list. @since 0.1.0 @category attributes */
export const httpResponseHeader = (name: string): string => `http.response.header.${name}`

const methods = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"])

/** Tells whether a method may stand in `http.request.method` as it is. @since 0.1.0 @category values */
export const isKnownMethod = (method: string): boolean => methods.has(method)

/** The value of `server.port`: that of the scheme where the address has none. @since 0.1.0 @category values */
export const portOf = ({ port, protocol }: { readonly port: string; readonly protocol: string }): number =>
  port !== "" ? Number(port) : protocol === "https:" ? 443 : 80

/** How a call ended: `Succeeded`, `GaveUp`, `Ignored`, `Interrupted` or `Died`. @since 0.1.0 @category attributes */
export const RESILIENCE_OUTCOME = "resilience.outcome"
/** The number of attempts of a call. @since 0.1.0 @category attributes */
export const RESILIENCE_ATTEMPTS = "resilience.attempts"
/** The sum of the waits of a call, in seconds. @since 0.1.0 @category attributes */
export const RESILIENCE_WAITED = "resilience.waited"
/** The length of one wait, in seconds. @since 0.1.0 @category attributes */
export const RESILIENCE_DELAY = "resilience.delay"
/** Why a wait has its length, or why nothing more was sent. @since 0.1.0 @category attributes */
export const RESILIENCE_REASON = "resilience.reason"
/** The attempt that an event is about, counted from 1. @since 0.1.0 @category attributes */
export const RESILIENCE_ATTEMPT = "resilience.attempt"
/** What the strategy that an event is about is called. @since 0.1.0 @category attributes */
export const RESILIENCE_NAME = "resilience.name"
/** What a line of a log is about. @since 0.1.0 @category attributes */
export const RESILIENCE_EVENT = "resilience.event"
/** Which state of that strategy an event is about, that of an origin, say. @since 0.1.0 @category attributes */
export const RESILIENCE_KEY = "resilience.key"
/** How many calls may be on their way at once. @since 0.1.0 @category attributes */
export const RESILIENCE_LIMIT = "resilience.limit"
/** What was given in the place of a failure: `Effect`, `Value` or `LastGood`. @since 0.1.0 @category attributes */
export const RESILIENCE_FALLBACK = "resilience.fallback"
/** How old what was given is, in seconds. @since 0.1.0 @category attributes */
export const RESILIENCE_AGE = "resilience.age"
/** Which kind of fault was injected. @since 0.1.0 @category attributes */
export const RESILIENCE_FAULT = "resilience.fault"
/** The seed that chose it. @since 0.1.0 @category attributes */
export const RESILIENCE_SEED = "resilience.seed"

/** A wait between two attempts. @since 0.1.0 @category events */
export const EVENT_WAIT = "resilience.wait"
/** Another attempt is made without waiting for those before it. @since 0.1.0 @category events */
export const EVENT_HEDGE = "resilience.hedge"
/** Of several attempts one has given the call its end. @since 0.1.0 @category events */
export const EVENT_WON = "resilience.won"
/** Nothing more is sent. @since 0.1.0 @category events */
export const EVENT_GIVE_UP = "resilience.give_up"
/** Something else was given in the place of a failure. @since 0.1.0 @category events */
export const EVENT_FALLBACK = "resilience.fallback"
/** A fault was injected. @since 0.1.0 @category events */
export const EVENT_CHAOS = "resilience.chaos"

/** The address of the other end of a connection. @since 0.1.0 @category attributes */
export const NETWORK_PEER_ADDRESS = "network.peer.address"
/** The port of the other end of a connection. @since 0.1.0 @category attributes */
export const NETWORK_PEER_PORT = "network.peer.port"
/** The version of TLS: `1.3`. @since 0.1.0 @category attributes */
export const TLS_PROTOCOL_VERSION = "tls.protocol.version"
/** What the handshake agreed on: `http/1.1`. @since 0.1.0 @category attributes */
export const TLS_NEXT_PROTOCOL = "tls.next_protocol"
/** How a request got its connection: `new` or `reused`. @since 0.1.0 @category attributes */
export const CONNECTION_STATE = "http.client.connection.state"
/** Where the time of a request went: a phase of `Connection`. @since 0.1.0 @category attributes */
export const CONNECTION_PHASE = "http.client.connection.phase"
/** How long that took, in seconds. @since 0.1.0 @category attributes */
export const CONNECTION_DURATION = "http.client.connection.duration"
/** How long a connection had been idle, in seconds. @since 0.1.0 @category attributes */
export const CONNECTION_IDLE = "http.client.connection.idle"
/** A phase of a connection ended: the name of its event begins so. @since 0.1.0 @category events */
export const EVENT_CONNECTION = "http.client.connection."
/** A phase of a connection failed. @since 0.1.0 @category events */
export const EVENT_CONNECTION_FAILED = "http.client.connection.failed"
/** How long the phases of connections take, by phase, in seconds. @since 0.1.0 @category metrics */
export const METRIC_CONNECTION_PHASE = "http.client.connection.phase.duration"
/** How many requests got their connection new or reused. @since 0.1.0 @category metrics */
export const METRIC_CONNECTION_REQUESTS = "http.client.connection.requests"
/** In which phase requests failed or were aborted. @since 0.1.0 @category metrics */
export const METRIC_CONNECTION_FAILURES = "http.client.connection.failures"
/** How many connections are open. @since 0.1.0 @category metrics */
export const METRIC_OPEN_CONNECTIONS = "http.client.open_connections"
/** How many responses are neither read nor released. @since 0.1.0 @category metrics */
export const METRIC_UNREAD_RESPONSES = "http.client.unread_responses"
