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
