/**
 * What Prometheus is started with: what it scrapes, how often, and by which rules.
 */
import * as Yaml from "./yaml.ts"

export interface Configuration {
  /** Host and port: "127.0.0.1:9464". */
  readonly target: string
  readonly job: string
  /** Of scrapes, and of the rules. As Prometheus writes it. */
  readonly interval: string
  /** The name of the file with the rules, which stands beside this one. */
  readonly rules: string
}

export const configuration = (comment: string, { interval, job, rules, target }: Configuration): string =>
  Yaml.document(comment, {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: [rules],
    scrape_configs: [{ job_name: job, static_configs: [{ targets: [target] }] }]
  })
