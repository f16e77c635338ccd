/** `meridian strong`: how strong tables stand, from where their log is led, what they cost. */
import { MeridianError } from '../../core/errors.ts'
import type { Command } from '../command.ts'

const DESCRIPTION = `Looks at the commit log of strong tables, and says from where it is led.

  status        where the leader of etcd is and how its members stand; how far every region is with each
                log group, in records and in ms, what it waits for or why it stopped; what a strong write
                or read must wait for from every region, with this leader and with each other. The exit
                code is 1 where a node, a member or a group is not well
  place-leader  hands the leadership to REGION or, without one, to the region for which the strong writes
                of the last minutes wait least. An election may move it again: etcd keeps no wish
  skip          passes over record INDEX of log group GROUP, which the stores of all regions refused and
                which stopped the group everywhere: it never has an effect, and whoever waits for it is told
                so. It shows the record first; with --yes it appends the word to the log. It is refused
                where a region has not stopped at the record; one that gives no answer is left out with
                --without, and is seeded again when it returns and has applied the record
  reseed        has the copies of REGION made anew from another region, where it is known to be wrong and
                regions cannot find that out by themselves, or where its store alone refused a record
  cost          the latency of strong tables for 1 to 9 regions of a topology, with the best leader for
                each number; nothing is asked

Distances are measured by the nodes, writes counted by them; etcd is asked from here, as the
configuration says (user, password, TLS). Nodes with \`auth\` want a token with the scope 'metrics', and
with 'admin' for skip and reseed.`

/** The command. */
export const strongCommand: Command = {
  description: DESCRIPTION,
  argument: { placeholder: 'status|place-leader|skip|reseed|cost', summary: 'What to do.' },
  operand: {
    placeholder: '[REGION|GROUP]',
    summary: 'place-leader, reseed: the region. skip: the log group, main or system.',
  },
  lastOperand: { placeholder: '[INDEX]', summary: 'skip: the record.' },
  options: {
    config: { type: 'string', placeholder: 'FILE', summary: 'The configuration.' },
    'token-env': { type: 'string', placeholder: 'NAME', summary: 'The variable with the token.' },
    'dry-run': { type: 'boolean', summary: 'place-leader, skip: say what would be done.' },
    yes: { type: 'boolean', summary: 'skip, reseed: do it.' },
    without: {
      type: 'string',
      placeholder: 'REGION[,…]',
      summary: 'skip: regions that give no answer and are not waited for.',
    },
    group: { type: 'string', placeholder: 'GROUP', summary: 'reseed: this log group alone.' },
    from: { type: 'string', placeholder: 'REGION', summary: 'reseed: the region that is right.' },
    timeout: {
      type: 'string',
      placeholder: 'MS',
      summary: 'place-leader: how long it may take. Default 15000.',
    },
    topology: {
      type: 'string',
      placeholder: 'NAME|FILE',
      summary: 'cost: the regions, in the order they are added. Default nine-regions.',
    },
    regions: { type: 'string', placeholder: 'N[..M]', summary: 'cost: how many. Default 1..9.' },
    members: {
      type: 'string',
      placeholder: 'N',
      summary: 'cost: members of the log at most. Default 5.',
    },
    jitter: {
      type: 'string',
      placeholder: 'X',
      summary: 'cost: how much longer messages take than their distance, in the mean. Default 0.1.',
    },
    json: { type: 'boolean', summary: 'Print JSON.' },
  },
  async run(given, terminal, action, operand, last) {
    const unexpected = takesOperand(action) ? (action === 'skip' ? undefined : last) : operand
    if (unexpected !== undefined) {
      throw new MeridianError('INVALID_ARGUMENT', `Unexpected argument '${unexpected}'.`, {
        fix: 'place-leader and reseed take a region, skip a log group and an index.',
      })
    }
    // The clients of engines are loaded where they are needed.
    switch (action) {
      case 'status':
        return (await import('./status.ts')).runStrongStatus(given, terminal)
      case 'place-leader':
        return (await import('./place-leader.ts')).runPlaceLeader(given, terminal, operand)
      case 'skip':
        return (await import('./skip.ts')).runSkip(given, terminal, operand, last)
      case 'reseed':
        return (await import('./reseed.ts')).runReseed(given, terminal, operand)
      case 'cost':
        return (await import('./cost.ts')).runStrongCost(given, terminal)
      default:
        throw new MeridianError(
          'INVALID_ARGUMENT',
          action === undefined ? 'What to do is missing.' : `There is no action \`${action}\`.`,
          { fix: 'There are: status, place-leader, skip, reseed, cost.' },
        )
    }
  },
}

function takesOperand(action: string | undefined): boolean {
  return action === 'place-leader' || action === 'skip' || action === 'reseed'
}
