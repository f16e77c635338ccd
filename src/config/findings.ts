/** What is found wrong with a deployment: where, why, and what to do about it. */
import type { ConfigPath } from './config-source.ts'

/** One thing that is wrong, or that an operator should know. */
export interface Finding {
  /** A stable name of the rule, for scripts. */
  readonly rule: string
  /** Where in the configuration. */
  readonly path: ConfigPath
  /** What is wrong, without a full stop: it follows the path. */
  readonly problem: string
  /** What to do about it. */
  readonly fix: string
}

/** What the rules found. */
export interface Findings {
  /** What cannot work: a node refuses to start. */
  readonly problems: readonly Finding[]
  /** What works and is worse than it looks. */
  readonly warnings: readonly Finding[]
}

/** Both lists of several rules. */
export function mergeFindings(all: readonly Findings[]): Findings {
  return {
    problems: all.flatMap(({ problems }) => problems),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}
