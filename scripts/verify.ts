/** `npm test`: runs every check and test, prints what failed in full, and closes with the count. */
import { parseArgs } from 'node:util'
import { endRunningCommands } from './lib/command.ts'
import { STEPS, type Step } from './lib/steps.ts'
import { Verification } from './lib/verification.ts'

const HELP = `Usage: npm test -- [--only STEP[,STEP…]] [--help]

Runs all that CI runs:
${STEPS.map((step) => `  ${step.name}`).join('\n')}

Each step is also a script of its own: npm run check:types, npm run test:unit, …
The last line counts tests and checks: N passed, N failed, N skipped.`

function chooseSteps(only: string | undefined): readonly Step[] {
  if (only === undefined) return STEPS
  const names = only.split(',')
  const unknown = names.filter((name) => !STEPS.some((step) => step.name === name))
  if (unknown.length === 0) return STEPS.filter((step) => names.includes(step.name))
  console.error(`There is no step ${unknown.join(', ')}.\n\n${HELP}`)
  process.exit(2)
}

const { values } = parseArgs({
  options: { only: { type: 'string' }, help: { type: 'boolean', default: false } },
})
if (values.help) {
  console.log(HELP)
  process.exit(0)
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endRunningCommands()
    process.exit(1)
  })
}
const isGreen = await new Verification(chooseSteps(values.only)).run()
process.exitCode = isGreen ? 0 : 1
