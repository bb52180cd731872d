import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Redaction from "../../src/telemetry/Redaction.ts"

const redacted = (url: string) => Redaction.url(new URL(url))

describe("url", () => {
  for (const [what, url, shown] of [
    ["a user and a password", "https://u:p@files.test/a", "https://REDACTED:REDACTED@files.test/a"],
    ["a user alone", "https://u@files.test/a", "https://REDACTED@files.test/a"],
    ["a password alone", "https://:p@files.test/a", "https://:REDACTED@files.test/a"],
    ["a signature among others", "https://files.test/a?page=2&sig=1#top", "https://files.test/a?page=2&sig=REDACTED#top"],
    ["a signature that is given twice", "https://files.test/?sig=1&page=2&sig=3", "https://files.test/?sig=REDACTED&page=2"],
    ["a signature that is empty", "https://files.test/?sig=", "https://files.test/?sig=REDACTED"],
    ["a signature whose name is encoded", "https://files.test/?%73ig=1", "https://files.test/?sig=REDACTED"],
    ["user, password and signature", "https://u:p@files.test/?Signature=1", "https://REDACTED:REDACTED@files.test/?Signature=REDACTED"]
  ] as const) {
    it(`replaces ${what}`, () => assert.strictEqual(redacted(url), shown))
  }

  for (const name of [
    "AWSAccessKeyId",
    "Signature",
    "sig",
    "X-Goog-Signature",
    "X-Amz-Signature",
    "X-Amz-Credential",
    "X-Amz-Security-Token"
  ]) {
    it(`replaces the value of ${name}`, () => {
      assert.include(Redaction.signatureParameters, name)
      assert.strictEqual(redacted(`https://files.test/a?${name}=canary`), `https://files.test/a?${name}=REDACTED`)
    })
  }

  it("leaves what holds no secret as it was written", () => {
    for (const url of ["http://users.test/", "https://users.test:8443/1?a=b%20c&d=e+f&a=g#h", "https://users.test/?signal=1&design=2"]) {
      assert.strictEqual(redacted(url), url)
    }
  })

  it("does not change the address that it is given", () => {
    const url = new URL("https://u:p@files.test/?sig=1")
    Redaction.url(url)
    assert.strictEqual(url.href, "https://u:p@files.test/?sig=1")
  })

  it("shows no secret wherever it stands, and changes nothing else, for any address", () => {
    const word = fc.stringMatching(/^[a-z]{1,8}$/)
    const canary = fc.stringMatching(/^CANARY[a-z0-9]{1,8}$/)
    const parameters = fc.array(fc.oneof(
      fc.record({ name: word.filter((name) => name !== "sig"), value: word, secret: fc.constant(false) }),
      fc.record({ name: fc.constantFrom(...Redaction.signatureParameters), value: canary, secret: fc.constant(true) })
    ), { maxLength: 6 })
    fc.assert(
      fc.property(
        fc.record({ user: fc.option(canary), password: fc.option(canary), path: word, hash: fc.option(word), parameters }),
        ({ hash, parameters, password, path, user }) => {
          const url = new URL(`https://files.test/${path}`)
          url.username = user ?? ""
          url.password = password ?? ""
          url.hash = hash ?? ""
          for (const { name, value } of parameters) url.searchParams.append(name, value)
          const shown = Redaction.url(url)
          assert.notInclude(shown, "CANARY")
          const again = new URL(shown)
          assert.deepStrictEqual([again.host, again.pathname, again.hash], [url.host, url.pathname, url.hash])
          for (const { name, secret } of parameters) {
            assert.deepStrictEqual(again.searchParams.getAll(name), secret ? ["REDACTED"] : url.searchParams.getAll(name))
          }
        }
      ),
      { numRuns: 2_000 }
    )
  })
})
