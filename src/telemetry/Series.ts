/**
 * The series of the metrics, and the bounds of their labels.
 *
 * One series is made for each combination of labels, in Effect's own registry, which every exporter of Effect reads. How many there can be is
 * known before the first request: names, keys and servers are let in up to a number, or by a list, and all others are one: "other".
 *
 * @since 0.1.0
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as MetricBoundaries from "effect/MetricBoundaries"
import * as MetricKey from "effect/MetricKey"
import * as MetricLabel from "effect/MetricLabel"
import * as Option from "effect/Option"
import { hasProperty } from "effect/Predicate"
import * as Classifier from "../core/Classifier.ts"
import type * as Instrument from "../core/Instrument.ts"
import { integerIn, InvalidOption } from "../core/InvalidOption.ts"
import * as Label from "../core/Label.ts"
import * as Measurement from "../core/Measurement.ts"
import * as Outcome from "../core/Outcome.ts"
import * as Guard from "../http/Guard.ts"
import * as Guarded from "../strategy/Guarded.ts"
import type * as Meter from "./Meter.ts"

/**
 * Which values the open labels take.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** How many names of clients and guards are shown; the first ones are. From 0. Default: 100. */
  readonly maxNames?: number | undefined
  /**
   * Which keys of guards are shown, and as what. Over HTTP a key is an origin: `{ "https://api.test": "api" }`. Default: none, but the key
   * "default" of guards that are not keyed.
   */
  readonly keys?: Readonly<Record<string, string>> | undefined
  /** Which servers are shown, by their origins, or how many: the first ones are. Default: 20. */
  readonly servers?: ReadonlyArray<string> | number | undefined
}

const nowhere: Measurement.Server = { address: Label.other, port: "" }

/** Nothing that is longer, and nothing with a control character in it, becomes a label. */
const isFit = (value: string): boolean => value !== "" && value.length <= 128 && ![...value].some((char) => char < " " || char === "\u007f")

/** The first ones, up to a number; all others are one. */
const firstOf = (max: number) => {
  const known = new Set<string>()
  return (value: string): string => {
    if (known.has(value)) return value
    if (known.size >= max || !isFit(value)) return Label.other
    known.add(value)
    return value
  }
}

const serverOf = (origin: string): Measurement.Server => {
  try {
    const url = new URL(origin)
    return { address: url.hostname, port: url.port !== "" ? url.port : url.protocol === "https:" ? "443" : "80" }
  } catch {
    return nowhere
  }
}

const originOf = (given: string): string => {
  const origin = Guard.origin(given)
  if (origin !== "" && serverOf(origin) !== nowhere) return origin
  throw new InvalidOption({ where: "Metrics", option: "servers", value: given, requirement: "an origin, such as \"https://api.test\"" })
}

const serversOf = (given: ReadonlyArray<string> | number) => {
  const listed = typeof given === "number" ? [] : given.map(originOf)
  const max = typeof given === "number" ? integerIn("Metrics", "servers", given, { min: 0 }) : listed.length
  const known = new Map<string, Measurement.Server>()
  const parts = new Set(["", Label.other])
  const add = (origin: string): Measurement.Server => {
    const found = serverOf(origin)
    if (found === nowhere) return nowhere
    known.set(origin, found)
    parts.add(found.address).add(found.port)
    return found
  }
  listed.forEach(add)
  return {
    server: (url: string): Measurement.Server => {
      const origin = Guard.origin(url)
      const server = known.get(origin)
      if (server !== undefined) return server
      return known.size >= max || !isFit(origin) ? nowhere : add(origin)
    },
    /** Whether it is an address or a port that is shown. */
    isServer: (part: string): boolean => parts.has(part)
  }
}

const keysOf = (given: Readonly<Record<string, string>>): ReadonlyMap<string, string> => {
  const shown = Object.entries(given)
  for (const [, value] of shown) {
    if (!isFit(value)) {
      const requirement = "a label of 1 to 128 characters, none of them a control character"
      throw new InvalidOption({ where: "Metrics", option: "keys", value, requirement })
    }
  }
  return new Map([[Guarded.defaultKey, Guarded.defaultKey], ...shown])
}

/**
 * One series: as much of Effect's metrics as is used.
 *
 * @since 0.1.0
 * @category models
 */
export interface Recorded {
  readonly unsafeUpdate: (value: number, labels: ReadonlyArray<MetricLabel.MetricLabel>) => void
}

/** Of the labels that are there, each with its value; the unit is one of them, because that is how Effect's exporters are told of it. */
const labelled = ({ labels, unit }: Instrument.Instrument, values: ReadonlyArray<string>): ReadonlyArray<MetricLabel.MetricLabel> => [
  ...labels.flatMap(({ name }, i) => {
    const value = values[i] ?? ""
    return value === "" ? [] : [MetricLabel.make(name, value)]
  }),
  MetricLabel.make("unit", unit)
]

const seriesOf = (instrument: Instrument.Instrument, values: ReadonlyArray<string>): Recorded => {
  const { boundaries, description, kind, name } = instrument
  const labels = labelled(instrument, values)
  switch (kind) {
    case "counter":
      return Metric.fromMetricKey(MetricKey.taggedWithLabels(MetricKey.counter(name, { description, incremental: true }), labels))
    case "gauge":
      return Metric.fromMetricKey(MetricKey.taggedWithLabels(MetricKey.gauge(name, { description }), labels))
    case "histogram":
      return Metric.fromMetricKey(
        MetricKey.taggedWithLabels(MetricKey.histogram(name, MetricBoundaries.fromIterable(boundaries), description), labels)
      )
  }
}

const noLabels: ReadonlyArray<MetricLabel.MetricLabel> = []

/** "interrupted" is no error of the peer, and its duration is not the peer's either. */
const errorOf = (exit: Meter.Sent["exit"]): string => {
  if (Exit.isFailure(exit) && Cause.isInterruptedOnly(exit.cause)) return "interrupted"
  const outcome = Classifier.run(Classifier.http, exit, 0)
  if (Outcome.isFailed(outcome)) return Label.ofFailure(outcome.failure)
  return Exit.isSuccess(exit) ? "" : Cause.isDie(exit.cause) ? "defect" : Label.unknown
}

const isRequest = (u: unknown): u is HttpClientRequest.HttpClientRequest => hasProperty(u, HttpClientRequest.TypeId)

/** The request as it was sent: mappings below this have given it its origin. */
const finalOf = ({ exit, request }: Meter.Sent): HttpClientRequest.HttpClientRequest => {
  if (Exit.isSuccess(exit)) return exit.value.request
  const error = Option.getOrUndefined(Cause.failureOption(exit.cause))
  return hasProperty(error, "request") && isRequest(error.request) ? error.request : request
}

/**
 * Makes a meter. Throws `InvalidOption` on options that cannot be.
 *
 * @since 0.1.0
 * @category building
 */
export const unsafeMake = (options?: Options): Meter.Meter => unsafeMakeWith(seriesOf, options)

/**
 * Like `unsafeMake`, with series of your own.
 *
 * @since 0.1.0
 * @category building
 */
export const unsafeMakeWith = (
  create: (instrument: Instrument.Instrument, labels: ReadonlyArray<string>) => Recorded,
  { keys = {}, maxNames = 100, servers = 20 }: Options = {}
): Meter.Meter => {
  const name = firstOf(integerIn("Metrics", "maxNames", maxNames, { min: 0 }))
  const shown = keysOf(keys)
  const shownAs = new Set([...shown.values(), Label.other])
  const { isServer, server } = serversOf(servers)
  const all = new Map<Instrument.Instrument, Map<string, Recorded>>()

  /** What no label may say is said otherwise: whoever records, the sets stay closed. */
  const closed = (label: Label.Label, value: string): string => {
    switch (label.values) {
      case "names":
        return name(value)
      case "keys":
        return shownAs.has(value) ? value : Label.other
      case "servers":
        return isServer(value) ? value : Label.other
      default:
        return label.values.includes(value) ? value : Label.unknown
    }
  }

  const find = (instrument: Instrument.Instrument, labels: ReadonlyArray<string>): Recorded => {
    let series = all.get(instrument)
    if (series === undefined) all.set(instrument, series = new Map())
    const found = series.get(labels.join("\n"))
    if (found !== undefined) return found
    const allowed = instrument.labels.map((label, i) => closed(label, labels[i] ?? ""))
    const id = allowed.join("\n")
    const existing = series.get(id)
    if (existing !== undefined) return existing
    const made = create(instrument, allowed)
    series.set(id, made)
    return made
  }

  const record = ({ instrument, labels, value }: Measurement.Measurement): void => {
    // One NaN would be the sum of a histogram for ever.
    if (Number.isFinite(value)) find(instrument, labels).unsafeUpdate(value, noLabels)
  }

  return {
    name,
    key: (key) => shown.get(key) ?? Label.other,
    server,
    keys: [...shown.keys()],
    record,
    request: (sent) => {
      const { method, url } = finalOf(sent)
      record(Measurement.fromRequest({
        name: name(sent.name),
        method,
        ...server(url),
        status: Exit.isSuccess(sent.exit) ? Option.some(sent.exit.value.status) : Option.none(),
        error: errorOf(sent.exit),
        duration: Number(sent.nanos) / 1e9
      }))
    }
  }
}
