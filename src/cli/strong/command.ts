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
  cost          the latency of strong tables for 1 to 9 regions of a topology, with the best leader for
                each number; nothing is asked

Distances are measured by the nodes, writes counted by them; etcd is asked from here, as the
configuration says (user, password, TLS). Nodes with \`auth\` want a token with the scope 'metrics'.`

/** The command. */
export const strongCommand: Command = {
  description: DESCRIPTION,
  argument: { placeholder: 'status|place-leader|cost', summary: 'What to do.' },
  operand: { placeholder: '[REGION]', summary: 'place-leader: the region that is to lead.' },
  options: {
    config: { type: 'string', placeholder: 'FILE', summary: 'The configuration.' },
    'token-env': { type: 'string', placeholder: 'NAME', summary: 'The variable with the token.' },
    'dry-run': { type: 'boolean', summary: 'place-leader: say what would be done.' },
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
  async run(given, terminal, action, region) {
    if (action !== 'place-leader' && region !== undefined) {
      throw new MeridianError('INVALID_ARGUMENT', `Unexpected argument '${region}'.`, {
        fix: 'Only place-leader takes a region.',
      })
    }
    // The clients of engines are loaded where they are needed.
    switch (action) {
      case 'status':
        return (await import('./status.ts')).runStrongStatus(given, terminal)
      case 'place-leader':
        return (await import('./place-leader.ts')).runPlaceLeader(given, terminal, region)
      case 'cost':
        return (await import('./cost.ts')).runStrongCost(given, terminal)
      default:
        throw new MeridianError(
          'INVALID_ARGUMENT',
          action === undefined ? 'What to do is missing.' : `There is no action \`${action}\`.`,
          { fix: 'There are: status, place-leader, cost.' },
        )
    }
  },
}
