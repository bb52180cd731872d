/**
 * Virtual time without steps: a program runs to its end, and each wait is over as soon as nothing else is to be done.
 *
 * `TestClock` waits some ms of real time at each adjustment, so that everything that can go on does. Here nothing but the program
 * runs, on a scheduler of its own, so an hour with a million waits takes as long as its computations. It is for whole loads:
 * what a policy does to a peer that is down for a minute, at a hundred calls a second.
 *
 * **Gotchas**
 *
 * Nothing but time is waited for, and by `run` promises. A socket never answers here.
 *
 * `runSync` does not wait for promises either, as the reading of a body does, that of a scripted peer included.
 *
 * **Example** (An hour of retries)
 *
 * ```ts
 * import { Backoff, Classifier, Retry, RetrySchedule } from "effect-resilience"
 * import { Simulation } from "effect-resilience/testing"
 * import { Clock, Effect } from "effect"
 *
 * const hourly = Effect.fail("busy").pipe(Retry.retry({
 *   classifier: Classifier.anyError,
 *   schedule: RetrySchedule.fromBackoff(Backoff.constant("1 minute")),
 *   maxAttempts: 61
 * }))
 *
 * Simulation.runSync(Effect.zipRight(Effect.exit(hourly), Clock.currentTimeMillis)) // => 3600000
 * ```
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { Scheduler } from "effect/Scheduler"

/**
 * The program waits for something that no time will bring: a socket, a deferred that nobody completes, real time.
 *
 * @since 0.1.0
 * @category errors
 */
export class Stuck extends Data.TaggedError("Stuck")<{
  /** The virtual time in ms. */
  readonly at: number
}> {
  override get message(): string {
    return `nothing is left to do at ${this.at}ms, and the program has not ended`
  }
}

interface Timer {
  readonly due: number
  /** Of those due at the same time, the first to be set is the first to go off. */
  readonly order: number
  readonly go: () => void
  cancelled: boolean
}

const isBefore = (one: Timer, other: Timer): boolean => one.due < other.due || one.due === other.due && one.order < other.order

/** A pairing heap: a timer comes before all those below it. */
interface Heap {
  readonly timer: Timer
  /** The first of those below; the others follow it as siblings. */
  child: Heap | undefined
  sibling: Heap | undefined
}

const meld = (one: Heap, other: Heap): Heap => {
  const [first, second] = isBefore(other.timer, one.timer) ? [other, one] : [one, other]
  second.sibling = first.child
  first.child = second
  return first
}

/** Those below a timer that has gone off, melded in pairs and then into one: that is what keeps it fast. */
const meldAll = (first: Heap | undefined): Heap | undefined => {
  const pairs: Array<Heap> = []
  let next = first
  while (next !== undefined) {
    const one: Heap = next
    const other: Heap | undefined = one.sibling
    next = other?.sibling
    one.sibling = undefined
    if (other !== undefined) other.sibling = undefined
    pairs.push(other === undefined ? one : meld(one, other))
  }
  return pairs.reduceRight<Heap | undefined>((all, pair) => all === undefined ? pair : meld(all, pair), undefined)
}

/** A clock that stands still until it is told to go on. */
class VirtualClock implements Clock.Clock {
  readonly [Clock.ClockTypeId]: Clock.ClockTypeId = Clock.ClockTypeId
  private timers: Heap | undefined
  private now = 0
  private order = 0

  unsafeCurrentTimeMillis(): number {
    return this.now
  }

  unsafeCurrentTimeNanos(): bigint {
    return BigInt(Math.round(this.now * 1e6))
  }

  readonly currentTimeMillis = Effect.sync(() => this.unsafeCurrentTimeMillis())
  readonly currentTimeNanos = Effect.sync(() => this.unsafeCurrentTimeNanos())

  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.async((resume) => {
      const cancel = this.unsafeSchedule(() => resume(Effect.void), duration)
      return Effect.sync(cancel)
    })
  }

  /** What the live clock has too: timers without a fiber. */
  scheduler(): Effect.Effect<Clock.ClockScheduler> {
    return Effect.succeed({ unsafeSchedule: (go, duration) => this.unsafeSchedule(go, duration) })
  }

  private unsafeSchedule(go: () => void, duration: Duration.Duration): () => boolean {
    const timer = { due: this.now + Duration.toMillis(duration), order: this.order++, go, cancelled: false }
    if (Number.isFinite(timer.due)) {
      const heap = { timer, child: undefined, sibling: undefined }
      this.timers = this.timers === undefined ? heap : meld(this.timers, heap)
    }
    return () => {
      const pending = !timer.cancelled
      timer.cancelled = true
      return pending
    }
  }

  /** Whether time passes before anything else happens by itself. */
  isNextLater(): boolean {
    return this.timers === undefined || this.timers.timer.due > this.now
  }

  /** Goes on to the next timer; says whether there was one. */
  advance(): boolean {
    while (this.timers !== undefined) {
      const { child, timer } = this.timers
      this.timers = meldAll(child)
      if (timer.cancelled) continue
      timer.cancelled = true
      this.now = Math.max(this.now, timer.due)
      timer.go()
      return true
    }
    return false
  }
}

/** Runs what fibers have to do, task by task, and lets time pass when there is nothing. */
class Machine {
  readonly clock = new VirtualClock()
  private tasks: Array<() => void> = []

  /** `onStep` is asked before each step of each fiber whether another one has its turn first. */
  fork<A, E>(program: Effect.Effect<A, E>, onStep: (fiber: Fiber.RuntimeFiber<unknown, unknown>) => boolean = isLong) {
    const scheduler: Scheduler = {
      shouldYield: (fiber) => onStep(fiber) ? 0 : false,
      scheduleTask: (task) => void this.tasks.push(task)
    }
    return Effect.runFork(Effect.withClock(program, this.clock), { scheduler })
  }

  /** Runs until a fiber has ended, or nothing is left to do. */
  run<A, E>(fiber: Fiber.RuntimeFiber<A, E>): Exit.Exit<A, E | Stuck> {
    for (;;) {
      this.runTasks()
      const exit = fiber.unsafePoll()
      if (exit !== null) return exit
      if (!this.clock.advance() && this.tasks.length === 0) return this.stuck
    }
  }

  /** The same, but before time passes every promise that can go on does. */
  async runAsync<A, E>(fiber: Fiber.RuntimeFiber<A, E>): Promise<Exit.Exit<A, E | Stuck>> {
    for (;;) {
      this.runTasks()
      if (this.clock.isNextLater()) {
        await Effect.runPromise(Effect.sleep(0))
        this.runTasks()
      }
      const exit = fiber.unsafePoll()
      if (exit !== null) return exit
      if (!this.clock.advance() && this.tasks.length === 0) return this.stuck
    }
  }

  private runTasks(): void {
    while (this.tasks.length > 0) {
      const due = this.tasks
      this.tasks = []
      for (const task of due) task()
    }
  }

  private get stuck(): Exit.Exit<never, Stuck> {
    return Exit.fail(new Stuck({ at: this.clock.unsafeCurrentTimeMillis() }))
  }
}

/** Effect's own measure: a fiber has had its turn after so many steps. */
const isLong = (fiber: Fiber.RuntimeFiber<unknown, unknown>): boolean => fiber.currentOpCount > 2048

/**
 * Runs a program in virtual time, from 0, to its end. What it waits for besides time makes it fail with `Stuck`.
 *
 * @since 0.1.0
 * @category running
 */
export const runSyncExit = <A, E>(program: Effect.Effect<A, E>): Exit.Exit<A, E | Stuck> => {
  const machine = new Machine()
  const fiber = machine.fork(program)
  const exit = machine.run(fiber)
  if (fiber.unsafePoll() !== null) return exit
  // Its finalizers have their turn, so that what it holds is let go.
  fiber.unsafeInterruptAsFork(fiber.id())
  machine.run(fiber)
  return exit
}

/**
 * Like `runSyncExit`, but throws what the program fails with.
 *
 * @since 0.1.0
 * @category running
 */
export const runSync = <A, E>(program: Effect.Effect<A, E>): A => Effect.runSync(runSyncExit(program))

/**
 * Runs a program in virtual time that also waits for promises: for the bodies of a scripted peer, say. It takes about a ms of real
 * time for each instant at which something happens.
 *
 * @since 0.1.0
 * @category running
 */
export const run = <A, E>(program: Effect.Effect<A, E>): Effect.Effect<A, E | Stuck> =>
  Effect.flatten(Effect.promise(async () => {
    const machine = new Machine()
    const fiber = machine.fork(program)
    const exit = await machine.runAsync(fiber)
    if (fiber.unsafePoll() !== null) return exit
    fiber.unsafeInterruptAsFork(fiber.id())
    await machine.runAsync(fiber)
    return exit
  }))

/**
 * Starts fibers at a steady pace, `perSecond` of them for so many seconds, and waits until all of them have ended.
 *
 * @since 0.1.0
 * @category load
 */
export const load = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  options: { readonly perSecond: number; readonly seconds: number }
): Effect.Effect<ReadonlyArray<Exit.Exit<A, E>>, never, R> =>
  Effect.gen(function*() {
    const fibers: Array<Fiber.RuntimeFiber<A, E>> = []
    const gap = Duration.millis(1000 / options.perSecond)
    for (let i = 0; i < options.perSecond * options.seconds; i++) {
      fibers.push(yield* Effect.fork(call))
      yield* Effect.sleep(gap)
    }
    return yield* Effect.forEach(fibers, (fiber) => Fiber.await(fiber))
  })

/**
 * Calls of which one is to be interrupted, and what must hold when all have ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface Scenario {
  /** They begin in this order, each in a fiber of its own. */
  readonly calls: ReadonlyArray<Effect.Effect<unknown, unknown>>
  /** Which of them is interrupted. Default: 0. */
  readonly victim?: number | undefined
  /** Is given how each call ended. Throws, dies or fails where it does not hold. */
  readonly check: (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>) => Effect.Effect<void, unknown> | void
}

/**
 * How many runs of a sweep ended with the victim interrupted, and in how many it had ended otherwise before, or in spite of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Swept {
  readonly interrupted: number
  readonly tooLate: number
}

/**
 * Interrupts a call at each step, one run for each, and checks what must hold after every one: that no permit, probe or token is
 * lost, say.
 *
 * **Details**
 *
 * Each run makes its scenario anew. In run `n` the victim is interrupted before the nth step that any of the calls, or a fiber that
 * they have begun, takes: so also while it waits for another one. The sweep is over with the first run that ends before that.
 * Throws what a check throws or fails with, and where a call never ends, with the step in the message.
 *
 * @since 0.1.0
 * @category sweeps
 */
export const sweep = (make: Effect.Effect<Scenario>): Swept => {
  let interrupted = 0
  let tooLate = 0
  for (let at = 0;; at++) {
    const { hit, wasInterrupted } = interruptAt(make, at)
    if (wasInterrupted) interrupted++
    else tooLate++
    if (!hit) return { interrupted, tooLate }
  }
}

const interruptAt = (make: Effect.Effect<Scenario>, at: number): { readonly hit: boolean; readonly wasInterrupted: boolean } => {
  const machine = new Machine()
  const { calls, check, victim = 0 } = Effect.runSync(machine.run(machine.fork(make)))
  const fibers: Array<Fiber.RuntimeFiber<unknown, unknown>> = []
  let step = 0
  for (const call of calls) {
    // Each begins with its first turn, when the victim is known.
    fibers.push(machine.fork(Effect.zipRight(Effect.yieldNow(), call), () => {
      const chosen = fibers[victim]
      if (chosen === undefined || step++ !== at || chosen.unsafePoll() !== null) return false
      chosen.unsafeInterruptAsFork(chosen.id())
      return true
    }))
  }
  const exits = fibers.map((fiber) => machine.run(fiber))
  const checked = machine.run(machine.fork(Effect.suspend(() => check(exits) ?? Effect.void)))
  if (Exit.isFailure(checked)) throw new Error(`interrupted at step ${at}: ${Cause.pretty(checked.cause)}`)
  const exit = exits[victim]
  return { hit: step > at, wasInterrupted: exit !== undefined && Exit.isInterrupted(exit) }
}
