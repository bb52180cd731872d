/**
 * Interrupts a fiber at each operation in turn: before the first one, between any two of its own, and while it is suspended at any of
 * those of the others.
 */
import type * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberId from "effect/FiberId"
import * as Runtime from "effect/Runtime"
import type * as Scheduler from "effect/Scheduler"

interface Stepper extends Scheduler.Scheduler {
  /** Goes on with the fiber whose turn it is; `false` when there is none. */
  readonly step: () => boolean
}

/** A fiber asks at each of its operations whether it should yield. It never has to, but it is a good moment. */
const make = (onOperation: () => void): Stepper => {
  const tasks: Array<() => void> = []
  return {
    shouldYield: () => {
      onOperation()
      return false
    },
    scheduleTask: (task) => void tasks.push(task),
    step: () => {
      const task = tasks.shift()
      task?.()
      return task !== undefined
    }
  }
}

export interface Scenario {
  /** They begin in this order. */
  readonly fibers: ReadonlyArray<Effect.Effect<unknown, unknown>>
  /** Which of them is interrupted. */
  readonly victim: number
  /** When all have ended: throws where something was lost. */
  readonly check: (exits: ReadonlyArray<"Success" | "Failure">) => void
}

/** One run, with the interruption at the given operation. */
const run = ({ check, fibers, victim }: Scenario, operation: number) => {
  let chosen: Fiber.RuntimeFiber<unknown, unknown> | undefined
  let operations = 0
  const scheduler = make(() => {
    if (operations++ !== operation || chosen === undefined || chosen.unsafePoll() !== null) return
    chosen.unsafeInterruptAsFork(FiberId.none)
  })
  const running = fibers.map((effect, i) => {
    // A fiber that is run begins at once: it waits, so that the victim is known when it is its turn.
    const fiber = Runtime.runFork(Runtime.defaultRuntime, effect, { scheduler, immediate: false })
    if (i === victim) chosen = fiber
    return fiber
  })
  while (scheduler.step()) { /* until nobody has anything to do */ }
  const exits = running.map((fiber, i) => {
    const exit = fiber.unsafePoll()
    if (exit === null) throw new Error(`fiber ${i} waits for ever, interrupted at operation ${operation}`)
    return exit._tag
  })
  try {
    check(exits)
  } catch (error) {
    throw new Error(`interrupted at operation ${operation}: ${String(error)}`, { cause: error })
  }
  return { exit: exits[victim], operations }
}

/** Interrupts the victim at each operation until it has ended. Answers with how many runs ended in its interruption, and how many did not. */
export const sweep = (scenario: () => Scenario): { readonly interrupted: number; readonly tooLate: number } => {
  let interrupted = 0
  let tooLate = 0
  for (let operation = 0;; operation++) {
    const { exit, operations } = run(scenario(), operation)
    if (exit === "Failure") interrupted++
    else tooLate++
    if (operation >= operations) return { interrupted, tooLate }
  }
}
