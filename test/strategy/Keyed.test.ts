import { Effect } from "effect"
import { execFileSync } from "node:child_process"
import * as fc from "fast-check"
import { assert, describe, it } from "vitest"
import * as Keyed from "../../src/strategy/Keyed.ts"

const hour = 3_600_000

/** Guards that know their key and when they were made; and which of them were forgotten. */
const guards = (options?: Keyed.Options) => {
  const evicted: Array<string> = []
  const keyed = Effect.runSync(Keyed.make((key, now) => ({ key, now }), options, ({ key }) => evicted.push(key)))
  return { ...keyed, evicted }
}

describe("Keyed", () => {
  it("has one guard for each key", () => {
    const { get, peek, size } = guards()
    assert.strictEqual(get("a", 0), get("a", 1))
    assert.notStrictEqual(get("a", 0), get("b", 0))
    assert.strictEqual(peek("a"), get("a", 2))
    assert.strictEqual(peek("c"), undefined)
    assert.strictEqual(size(), 2)
  })

  it("a key is only a key", () => {
    const { get, peek } = guards()
    for (const key of ["__proto__", "constructor", "hasOwnProperty", "", " "]) {
      assert.strictEqual(peek(key), undefined)
      assert.strictEqual(get(key, 0).key, key)
    }
  })

  it("at the cap the one that was not used goes, not the ones that were", () => {
    const { evicted, get, size } = guards({ capacity: 3 })
    for (const key of ["a", "b", "c", "a", "d"]) get(key, 0)
    assert.deepStrictEqual([evicted, size()], [["b"], 3])
    get("e", 0)
    assert.deepStrictEqual(evicted, ["b", "c"])
  })

  it("where all were used the oldest goes", () => {
    const { evicted, get } = guards({ capacity: 2 })
    for (const key of ["a", "b", "b", "a", "c"]) get(key, 0)
    assert.deepStrictEqual(evicted, ["a"])
  })

  it("a guard that was idle for so long begins anew, and not a ms earlier", () => {
    const { get } = guards({ idle: "1 hour" })
    const made = get("a", 0)
    assert.strictEqual(get("a", hour - 1), made)
    assert.strictEqual(get("a", 2 * hour - 2), made)
    assert.notStrictEqual(get("a", 3 * hour - 2), made)
  })

  it("idle guards go when any other is used", () => {
    const { evicted, get, size } = guards({ idle: "1 hour" })
    for (const key of ["a", "b", "c"]) get(key, 0)
    get("c", hour / 2)
    get("d", hour + hour / 4)
    assert.deepStrictEqual([evicted, size()], [["a", "b"], 2])
  })

  it("a clock that stands still or goes back keeps the cap and forgets no guard for it", () => {
    const { get, size } = guards({ capacity: 10 })
    for (let i = 0; i < 100; i++) get(`${i}`, 0)
    assert.strictEqual(size(), 10)
    const made = get("a", 10 * hour)
    assert.strictEqual(get("a", 0), made)
    assert.strictEqual(get("a", hour - 1), made)
    assert.notStrictEqual(get("a", 2 * hour - 1), made)
  })

  it("a key of a megabyte is not kept", () => {
    const { get, peek } = guards()
    const long = "x".repeat(1 << 20)
    assert.isBelow(get(long, 0).key.length, 100)
    assert.strictEqual(peek(long), get(long, 0))
    assert.notStrictEqual(get(`${long}y`, 0), get(long, 0))
    assert.strictEqual(get("x".repeat(512), 0).key.length, 512)
  })

  it("remove forgets without a word", () => {
    const { evicted, get, peek, remove } = guards()
    const made = get("a", 0)
    assert.strictEqual(remove("a"), made)
    assert.strictEqual(remove("a"), undefined)
    assert.strictEqual(peek("a"), undefined)
    assert.deepStrictEqual(evicted, [])
  })

  it("refuses what cannot be", () => {
    for (const capacity of [-1, 0, 1.5, NaN, Infinity]) assert.throws(() => guards({ capacity }), /capacity/)
    for (const idle of [-1, 0, NaN, Infinity]) assert.throws(() => guards({ idle }), /idle/)
  })

  it("any use at any time keeps the cap, tells of each that goes, and finds what was just used", () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: -500, max: 2000 }))),
        (capacity, uses) => {
          const { evicted, get, peek, size } = guards({ capacity, idle: 1000 })
          let [now, made] = [0, 0]
          for (const [key, passed] of uses) {
            now += passed
            const known = peek(`${key}`)
            const guard = get(`${key}`, now)
            if (guard !== known) made++
            assert.strictEqual(peek(`${key}`), guard)
            assert.isAtMost(size(), capacity)
            assert.strictEqual(size() + evicted.length, made)
          }
        }
      ),
      { numRuns: 1000 }
    ))

  it("1,000,000 keys that are parts of long texts take the memory of the cap", () => {
    const script = `
      import { unsafeMake, limits } from ${JSON.stringify(new URL("../../src/strategy/Keyed.ts", import.meta.url).href)}
      const keyed = unsafeMake(() => ({ state: {} }), limits())
      const use = (from, to) => {
        for (let i = from; i < to; i++) keyed.get(("https://host" + i + ".test/" + "x".repeat(1000)).slice(0, 24), i)
        for (let i = 0; i < 4; i++) globalThis.gc()
        return process.memoryUsage().heapUsed
      }
      const full = use(0, 20_000)
      const later = use(20_000, 1_000_000)
      console.log(JSON.stringify({ size: keyed.size(), full, grown: later - full }))
    `
    const output = execFileSync(
      process.execPath,
      ["--expose-gc", "--import", "tsx", "--input-type=module", "-e", script],
      { encoding: "utf8", cwd: new URL("../..", import.meta.url) }
    )
    const { grown, size } = JSON.parse(output)
    assert.strictEqual(size, 10_000)
    assert.isBelow(grown, 1_000_000, output)
  }, 60_000)
})
