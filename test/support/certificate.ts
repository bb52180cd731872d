/**
 * A certificate made when it is needed, so that no key lies in the repository and no program has to be installed.
 *
 * It is self-signed: trusted where it is given as `ca`, and refused with `DEPTH_ZERO_SELF_SIGNED_CERT` where it is not.
 */
import { generateKeyPairSync, sign } from "node:crypto"

export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM. */
  readonly key: string
}

export interface Options {
  /** Default: "localhost". */
  readonly name?: string | undefined
  /** Default: "127.0.0.1", or none where there is a name. */
  readonly address?: string | undefined
  /** Default: from an hour ago until an hour from now. */
  readonly notBefore?: Date | undefined
  readonly notAfter?: Date | undefined
}

// DER (X.690): tag, length, value. X.509 (RFC 5280 section 4.1) is the nesting below.
const der = (tag: number, ...content: ReadonlyArray<Buffer>): Buffer => {
  const value = Buffer.concat(content)
  const size = value.length
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), value])
}
const sequence = (...content: ReadonlyArray<Buffer>): Buffer => der(0x30, ...content)
const text = (tag: number, value: string): Buffer => der(tag, Buffer.from(value, "latin1"))
const oid = (...bytes: ReadonlyArray<number>): Buffer => der(0x06, Buffer.from(bytes))
/** UTCTime, which reaches to 2049. */
const time = (date: Date): Buffer => text(0x17, `${date.toISOString().slice(2, 19).replace(/[-:T]/g, "")}Z`)
const pem = (label: string, bytes: Buffer): string =>
  `-----BEGIN ${label}-----\n${bytes.toString("base64").replace(/.{1,64}/g, "$&\n")}-----END ${label}-----\n`

const commonName = oid(0x55, 0x04, 0x03)
const subjectAltName = oid(0x55, 0x1d, 0x11)
const basicConstraints = oid(0x55, 0x1d, 0x13)
const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const hour = 3_600_000

export const make = (options: Options = {}): Certificate => {
  const { name = "localhost", notAfter = new Date(Date.now() + hour), notBefore = new Date(Date.now() - hour) } = options
  const address = options.address ?? (options.name === undefined ? "127.0.0.1" : undefined)
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const subject = sequence(der(0x31, sequence(commonName, text(0x0c, name))))
  const names = [
    text(0x82, name),
    ...(address === undefined ? [] : [der(0x87, Buffer.from(address.split(".").map(Number)))])
  ]
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    subject,
    sequence(time(notBefore), time(notAfter)),
    subject,
    publicKey.export({ type: "spki", format: "der" }),
    der(
      0xa3,
      sequence(
        sequence(basicConstraints, der(0x01, Buffer.from([0xff])), der(0x04, sequence(der(0x01, Buffer.from([0xff]))))),
        sequence(subjectAltName, der(0x04, sequence(...names)))
      )
    )
  )
  const signature = sign("sha256", body, privateKey)
  return {
    cert: pem("CERTIFICATE", sequence(body, ecdsaWithSha256, der(0x03, Buffer.from([0]), signature))),
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString()
  }
}
