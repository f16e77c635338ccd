/** What `npm test` runs: the same set on a laptop and in CI. */

export interface Step {
  /** The script of package.json that does the work; `npm run <name>` runs it by itself. */
  readonly name: string
  /** What to count: the step itself, or the tests that its runner reports. */
  readonly counts: 'step' | 'vitest' | 'tstyche'
  /** Step without whose success this one has nothing to look at. */
  readonly needs?: string
  /** Time or load matters to it: nothing else may run beside it. */
  readonly alone?: true
  /** The longest it may take. */
  readonly timeoutMs: number
}

const MINUTE_MS = 60_000

function check(name: string, more: Partial<Step> = {}): Step {
  return { name, counts: 'step', timeoutMs: 6 * MINUTE_MS, ...more }
}

function tests(name: string): Step {
  return { name, counts: 'vitest', alone: true, timeoutMs: 20 * MINUTE_MS }
}

export const STEPS: readonly Step[] = [
  check('check:format'),
  check('lint'),
  check('check:types'),
  check('build'),
  check('check:deps'),
  check('check:dead'),
  check('check:bundle'),
  check('check:api', { needs: 'build' }),
  check('check:package', { needs: 'build' }),
  check('test:types', { counts: 'tstyche' }),
  tests('test:unit'),
  tests('test:property'),
  tests('test:simulation'),
  tests('test:conformance'),
  tests('test:package'),
  tests('test:engines'),
  tests('test:integration'),
  tests('test:http'),
  tests('test:e2e'),
  tests('test:gate'),
  check('check:examples', { needs: 'build', alone: true, timeoutMs: 5 * MINUTE_MS }),
]
