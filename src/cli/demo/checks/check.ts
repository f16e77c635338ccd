/** A check: a claim about the deployment, and what was seen. */
import {
  asMeridianError,
  isErrorCode,
  MeridianError,
  type ErrorCode,
} from '../../../core/errors.ts'
import type { Dataset } from '../dataset.ts'
import type { CheckResult } from '../result.ts'
import type { DemoSession } from '../session.ts'

/** What checks look at. */
export interface CheckContext {
  readonly session: DemoSession
  readonly dataset: Dataset
  /** Part of the keys of what checks write: another one each run. */
  readonly run: string
}

/** A claim and the way to test it: it gives what was seen, or throws `refute`. */
export interface Check {
  readonly name: string
  run(context: CheckContext): Promise<string>
}

/** What was seen against a claim. */
class Refuted extends Error {}

/** Says that the claim does not hold. */
export function refute(detail: string): never {
  throw new Refuted(detail)
}

/** Runs one check; whatever it throws counts against it. */
export async function runCheck(check: Check, context: CheckContext): Promise<CheckResult> {
  const { name } = check
  try {
    return { name, passed: true, detail: await check.run(context) }
  } catch (error) {
    if (error instanceof Refuted) return { name, passed: false, detail: error.message }
    const { code, message } = asMeridianError(error)
    return { name, passed: false, detail: `${code}: ${message}` }
  }
}

/** Refutes unless the call fails with this code. */
export async function expectError(
  code: ErrorCode,
  what: string,
  call: () => Promise<unknown>,
): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (isErrorCode(error, code)) return
    refute(`${what} failed with ${error instanceof MeridianError ? error.code : String(error)}`)
  }
  refute(`${what} succeeded`)
}

/** A count for a sentence. */
export function count(n: number, noun: string): string {
  return `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`
}
