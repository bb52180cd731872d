/**
 * The recording and alert rules, as data.
 */
import * as Instrument from "../../src/core/Instrument.ts"
import * as P from "./promql.ts"

/** How fast is looked, and what is too much. Times as Prometheus writes them: "5m". */
export interface Settings {
  /** Over which time rates are taken: at least four scrapes. */
  readonly window: string
  /** For how long something has to be so. */
  readonly soon: string
  readonly later: string
  /** Of all attempts, how many may be resends. */
  readonly retryRatio: number
  /** Of all calls, how many may be given up. */
  readonly giveUpRatio: number
  /** How long the slowest attempt of a hundred may take, in seconds. */
  readonly attemptP99: number
  /** How long it may wait for a connection, in seconds. */
  readonly poolP99: number
  /** How many responses of a client may be neither read nor released, all the while. */
  readonly unread: number
}

/** What the committed files are made with. */
export const defaults: Settings = {
  window: "5m",
  soon: "1m",
  later: "5m",
  retryRatio: 0.1,
  giveUpRatio: 0.05,
  attemptP99: 1,
  poolP99: 0.1,
  unread: 10
}

/** The same limits, and times that nobody has to wait for: for the demo. */
export const quick: Settings = { ...defaults, window: "30s", soon: "5s", later: "15s" }

export interface Recording {
  readonly record: string
  readonly expr: string
}

export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: { readonly summary: string; readonly description: string }
}

export interface Rules {
  readonly recordings: ReadonlyArray<Recording>
  readonly alerts: ReadonlyArray<Alert>
}

const perClient = ["job", P.client]

/** The names of the recording rules: level, metric, operation. */
export const recorded = ({ window }: Pick<Settings, "window">) => ({
  retryRatio: `client:resilience_resends:ratio_rate${window}`,
  giveUpRatio: `client:resilience_give_ups:ratio_rate${window}`,
  attemptP99: `client:http_client_request_duration_seconds:p99_rate${window}`,
  poolP99: `server:http_client_connection_pool_seconds:p99_rate${window}`
})

const share = "{{ $value | humanizePercentage }}"
const time = "{{ $value | humanizeDuration }}"
const about = `{{ $labels.${P.client} }}`

export const rules = (settings: Settings = defaults): Rules => {
  const { later, soon, window } = settings
  const names = recorded(settings)
  const alert = (name: string, severity: "warning" | "critical", after: string, expr: string, summary: string, description: string): Alert => ({
    alert: name,
    expr,
    for: after,
    labels: { severity },
    annotations: { summary, description }
  })
  return {
    recordings: [
      { record: names.retryRatio, expr: P.retryRatio(window, perClient) },
      { record: names.giveUpRatio, expr: P.giveUpRatio(window, perClient) },
      { record: names.attemptP99, expr: P.quantileOf(0.99, Instrument.requestDuration, window, perClient, P.ended) },
      { record: names.poolP99, expr: P.quantileOf(0.99, Instrument.connectionPhase, window, ["job", P.server], P.pool) }
    ],
    alerts: [
      alert(
        "ResilienceRetryRatioHigh",
        "warning",
        later,
        `${names.retryRatio} > ${settings.retryRatio}`,
        `${about}: too many attempts are resends`,
        `${share} of the attempts of ${about} follow one that failed. Look at resilience_failures_total for what fails.`
      ),
      alert(
        "ResilienceBudgetEmpty",
        "warning",
        soon,
        `${P.rateOf(P.series(Instrument.giveUps, [P.reason, "=", "BudgetExhausted"]), window, ...perClient)} > 0`
          + ` or min by (${perClient.join(", ")}) (${P.series(Instrument.budgetBalance)}) < 1`,
        `${about}: the budget for resends is empty`,
        `Calls of ${about} are given up though another attempt could have helped: the peer fails too much for it to be sent more.`
      ),
      alert(
        "ResilienceBreakerOpen",
        "critical",
        soon,
        `sum by (job, ${P.client}, ${P.key}) (${P.series(Instrument.breakerKeys)}) > 0`,
        `${about}: a circuit breaker is not closed`,
        `Calls of ${about} ({{ $labels.${P.key} }}) are rejected: open or half open keys: {{ $value }}. See resilience_rejections_total for how many.`
      ),
      alert(
        "ResilienceGiveUps",
        "critical",
        later,
        `${names.giveUpRatio} > ${settings.giveUpRatio}`,
        `${about}: too many calls fail`,
        `${share} of the calls of ${about} ended with a failure. Look at the label ${P.reason} of resilience_give_ups_total for why nothing more was sent.`
      ),
      alert(
        "ResilienceAttemptSlow",
        "warning",
        later,
        `${names.attemptP99} > ${settings.attemptP99}`,
        `${about}: attempts are slow`,
        `One attempt of a hundred of ${about} takes about ${time}.`
      ),
      alert(
        "ResiliencePoolWait",
        "warning",
        later,
        `${names.poolP99} > ${settings.poolP99}`,
        `{{ $labels.${P.server} }}: requests wait for a connection`,
        `One request of a hundred to {{ $labels.${P.server} }} waits about ${time} for a connection: the pool is too small, or bodies are not read.`
      ),
      alert(
        "ResilienceResponsesUnread",
        "warning",
        soon,
        `max by (${perClient.join(", ")}) (min_over_time(${P.series(Instrument.unreadResponses)}[${window}])) > ${settings.unread}`,
        `${about}: responses are not read`,
        `{{ $value }} responses of ${about} or more were neither read nor released for ${window}: they take memory, and connections where their bodies are long. The log has a line ResponseUnread for each that is too old.`
      )
    ]
  }
}
