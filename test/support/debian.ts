/**
 * Programs that come from a Debian package. A test that needs one skips where it is absent, and says so; in CI, where
 * `.ci/run` has installed them, its absence is an error.
 *
 * ```ts no-check
 * describe.skipIf(!requireBinary("openssl"))("over TLS", () => { ... })
 * ```
 */
import { accessSync, constants } from "node:fs"
import * as path from "node:path"

const isInstalled = (binary: string): boolean =>
  (process.env["PATH"] ?? "").split(path.delimiter).some((folder) => {
    try {
      accessSync(path.join(folder, binary), constants.X_OK)
      return true
    } catch {
      return false
    }
  })

/**
 * Says whether the program is there. Throws in CI (`CI=true`) when it is not.
 *
 * @param debianPackage what to install, where its name is another
 */
export const requireBinary = (binary: string, debianPackage = binary): boolean => {
  if (isInstalled(binary)) return true
  const message = `${binary} is not installed: apt-get install ${debianPackage}`
  if (process.env["CI"] === "true") throw new Error(message)
  console.warn(`skipped: ${message}`)
  return false
}
