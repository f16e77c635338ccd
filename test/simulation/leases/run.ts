/** Runs seeds and judges them. */
import { checkRegisters } from '../../../replication/verify/linearizable.ts'
import { checkLogOrder, replay } from './checks.ts'
import { LeaseWorld, type WorldOptions, type WorldResult } from './lease-world.ts'
import { registerHistory } from './register-history.ts'

export interface Run extends WorldResult {
  readonly options: WorldOptions
  /** What the log's order shows to be wrong; undefined: nothing. */
  readonly logOrder: string | undefined
  /** What single rows show to be wrong; undefined: nothing. */
  readonly registers: string | undefined
}

/** What is not given: the protocol as it is, clocks that are wrong by 2 %, no quiet time. */
export type RunOptions = Partial<WorldOptions> & Pick<WorldOptions, 'seed' | 'phase'>

export function runSeed(given: RunOptions): Run {
  const options = {
    driftRate: 0.02,
    mutation: {},
    heals: false,
    isCalm: false,
    encodes: false,
    ...given,
  }
  const result = new LeaseWorld(options).run()
  const reference = replay(result.log)
  const { anomalies, undecided } = checkRegisters(registerHistory(reference, result.operations))
  return {
    ...result,
    options,
    logOrder: checkLogOrder(reference, result.operations),
    registers: anomalies[0]?.message ?? undecided[0],
  }
}

/** What is wrong with a run, and the command that runs it again; undefined: nothing. */
export function complaint({ options, logOrder, registers, unsettled }: Run): string | undefined {
  const wrong = logOrder ?? registers ?? unsettled[0]
  if (wrong === undefined) return undefined
  const { seed, phase, driftRate, mutation } = options
  const broken = Object.keys(mutation).join(',')
  const args = [`--phase ${phase}`, `--seed ${seed}`, `--drift ${driftRate}`]
  if (broken !== '') args.push(`--mutation ${broken}`)
  const command = `npx tsx test/simulation/programs/lease-run.ts ${args.join(' ')}`
  return `seed ${seed}, phase ${phase}: ${wrong}\n  again: ${command}`
}
