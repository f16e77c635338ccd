/**
 * What a deployment survives: for each thing that can be lost, whether acknowledged writes are kept,
 * and what goes on meanwhile. Derived from the configuration alone, so that it can be read before
 * anything runs. The words are few, so that tables can be compared.
 */
import { majority, type DeploymentFacts, type RegionFacts } from './deployment-facts.ts'

/**
 * What becomes of acknowledged writes. `unsent lost`: those that no other region had received yet.
 * `kept if forced`: as far as the libSQL server forces commits to its disk.
 */
export type Kept = 'kept' | 'kept if forced' | 'unsent lost' | 'lost'

/** Reads and writes while it is gone. `there`: in the region, or regions, that lost it. */
export type Meanwhile =
  | 'go on'
  | 'go on, slower'
  | 'views wait there'
  | 'stop there'
  | 'strong stop'
  | 'stop there, strong stop'
  | 'stop'

/** One loss, and what is left. */
export interface SurvivalRow {
  /** What is lost. */
  readonly loss: string
  /** The regions that it says something of, in order; all of them where it is one outcome. */
  readonly regions: readonly string[]
  readonly strong: Kept
  readonly pinned: Kept
  readonly eventual: Kept
  readonly reads: Meanwhile
  readonly writes: Meanwhile
  /** Why, in sentences. */
  readonly why: string
}

type Outcome = Omit<SurvivalRow, 'regions' | 'loss'>

const ALL_KEPT = { strong: 'kept', pinned: 'kept', eventual: 'kept' } as const

/** The table of a deployment. */
export function survivalTable(facts: DeploymentFacts): readonly SurvivalRow[] {
  const { regions } = facts
  const isOnFiles = regions.every(({ store, kafkaCopies }) => store === 'file' && kafkaCopies === 0)
  if (facts.isEmbedded && isOnFiles && facts.members === 0) return embeddedTable(facts)
  const isApart = regions.some(({ together }) => together.length < regions.length)
  const rows = (
    loss: string,
    outcome: (facts: DeploymentFacts, one: RegionFacts) => Outcome,
    among: readonly RegionFacts[] = regions,
  ): readonly SurvivalRow[] => grouped(loss, facts, among, outcome)
  return [
    ...rows(facts.isEmbedded ? 'the process' : 'a node', nodeLoss),
    ...rows(
      'a store server',
      storeLoss,
      regions.filter(({ store }) => store === 'server'),
    ),
    ...memberLoss(facts),
    ...rows(
      'a Kafka broker',
      brokerLoss,
      regions.filter(({ kafkaCopies }) => kafkaCopies > 0),
    ),
    ...rows(
      'Redis',
      cacheLoss,
      regions.filter(({ hasCache }) => hasCache),
    ),
    ...rows('the machine with the rows, its disk too', machineLoss),
    ...(isApart ? rows('a region, for good', regionLoss) : []),
    powerCut(facts),
  ]
}

/** One row for all regions of the same outcome. */
function grouped(
  loss: string,
  facts: DeploymentFacts,
  among: readonly RegionFacts[],
  outcome: (facts: DeploymentFacts, one: RegionFacts) => Outcome,
): readonly SurvivalRow[] {
  const groups = new Map<string, { regions: string[]; outcome: Outcome }>()
  for (const one of among) {
    const found = outcome(facts, one)
    const key = JSON.stringify(found)
    const group = groups.get(key) ?? { regions: [], outcome: found }
    groups.set(key, group)
    group.regions.push(one.region)
  }
  return [...groups.values()].map(({ regions, outcome: found }) => ({ loss, regions, ...found }))
}

function nodeLoss(facts: DeploymentFacts, one: RegionFacts): Outcome {
  if (one.nodes > 1) {
    return {
      ...ALL_KEPT,
      reads: 'go on',
      writes: 'go on',
      why: `The ${one.nodes === 2 ? 'other node serves' : `other ${one.nodes - 1} nodes serve`} the region; the roles that it had move once its leases have run out.`,
    }
  }
  const keepsLog = facts.members === 0 && one.together.includes(facts.leader)
  return {
    ...ALL_KEPT,
    reads: keepsLog ? 'stop there, strong stop' : 'stop there',
    writes: keepsLog ? 'stop there, strong stop' : 'stop there',
    why:
      `It is the only node${one.together.length > 1 ? ` of ${one.together.join(', ')}` : ' of the region'}: its clients wait until it runs again, and so does who writes to tenants at home there. ` +
      (keepsLog
        ? 'It keeps the file of the commit log: strong writes, strong reads and new tenants stop everywhere.'
        : 'Other regions go on.'),
  }
}

function storeLoss(): Outcome {
  return {
    ...ALL_KEPT,
    reads: 'stop there',
    writes: 'stop there',
    why: 'The rows of the region are behind it: STORE_UNAVAILABLE until it is back. Changes of other regions wait for it, and other regions go on.',
  }
}

/** While etcd has no majority: a region of several nodes needs it to know which of them serves. */
function withoutMajority(regions: readonly RegionFacts[]): {
  readonly meanwhile: Meanwhile
  readonly sentence: string
} {
  const several = regions.filter(({ nodes }) => nodes > 1).map(({ region }) => region)
  if (several.length === 0) {
    const sentence = 'Strong writes, strong reads and new tenants wait; all else goes on.'
    return { meanwhile: 'strong stop', sentence }
  }
  const isAll = several.length === regions.length
  return {
    meanwhile: isAll ? 'stop' : 'stop there, strong stop',
    sentence: `Strong writes, strong reads and new tenants wait; and ${several.join(', ')}, with several nodes, ${several.length === 1 ? 'stops' : 'stop'} once the lease of the node that serves has run out.`,
  }
}

function memberLoss({ members, spareMembers, regions }: DeploymentFacts): readonly SurvivalRow[] {
  if (members === 0) return []
  const all = regions.map(({ region }) => region)
  const row = { loss: 'a member of etcd', regions: all, ...ALL_KEPT }
  if (spareMembers > 0) {
    const why = `${members - 1} of ${members} members are a majority; if it led, strong writes wait for the election. Its disk may be lost with it: a new member takes its place.`
    return [{ ...row, reads: 'go on', writes: 'go on', why }]
  }
  const { meanwhile, sentence } = withoutMajority(regions)
  const why =
    members === 1
      ? `It is the only one. ${sentence} With its disk the commit log is lost.`
      : `${members - 1} of ${members} members are no majority. ${sentence}`
  return [{ ...row, reads: meanwhile, writes: meanwhile, why }]
}

function brokerLoss(_facts: DeploymentFacts, { kafkaCopies }: RegionFacts): Outcome {
  if (kafkaCopies > 1) {
    return {
      ...ALL_KEPT,
      reads: 'go on',
      writes: 'go on',
      why: `Each partition has ${kafkaCopies} copies; those in step take over.`,
    }
  }
  return {
    ...ALL_KEPT,
    reads: 'views wait there',
    writes: 'go on',
    why: 'Writes are acknowledged by the store, whose outbox keeps their changes until Kafka is back; views of the region and topics stand still until then. With its disk the change log is lost, but no row: views and topics then stop for good, and the node says so.',
  }
}

function cacheLoss(): Outcome {
  return {
    ...ALL_KEPT,
    reads: 'go on, slower',
    writes: 'go on',
    why: 'Redis holds nothing that counts: reads go to the store, and the cache fills again.',
  }
}

/** The worst machine of a region: the one whose disk has the rows. */
function machineLoss(facts: DeploymentFacts, one: RegionFacts): Outcome {
  const isAlone = facts.regions.every(({ region }) => one.together.includes(region))
  const where = one.store === 'server' ? 'the disk of the store server' : "the node's disk"
  const keepsLog = facts.members === 0 && one.together.includes(facts.leader)
  if (facts.regions.length === 1 || isAlone) {
    return {
      strong: facts.members > 0 ? 'kept' : 'lost',
      pinned: 'lost',
      eventual: 'lost',
      reads: 'stop',
      writes: 'stop',
      why: `All rows are on ${where} alone: what a backup has is left${facts.members > 0 ? ', and what etcd still holds of the commit log' : ''}.`,
    }
  }
  return {
    strong: keepsLog ? 'unsent lost' : 'kept',
    pinned: 'unsent lost',
    eventual: 'unsent lost',
    reads: keepsLog ? 'stop there, strong stop' : 'stop there',
    writes: keepsLog ? 'stop there, strong stop' : 'stop there',
    why:
      `The rows are on ${where}; other regions have what it had sent, which is all but the last moments while the streams run. ` +
      (keepsLog
        ? 'The commit log goes with it: strong writes stop everywhere, and need a new log. '
        : 'The commit log is elsewhere. ') +
      'Tenants at home there wait: no other region takes them over.',
  }
}

function regionLoss(facts: DeploymentFacts, one: RegionFacts): Outcome {
  const keepsLog = facts.members === 0 && one.together.includes(facts.leader)
  const takesMajority = facts.members > 0 && facts.members - one.members < majority(facts.members)
  const others = facts.regions.filter(({ region }) => !one.together.includes(region))
  const { meanwhile, sentence } = withoutMajority(others)
  const stops = keepsLog || takesMajority
  const log = keepsLog
    ? 'The commit log is lost with it: strong writes, strong reads and new tenants stop everywhere.'
    : takesMajority
      ? `The members of etcd elsewhere are no majority, until etcd is restored. ${sentence}`
      : facts.members > 0
        ? 'The members of etcd elsewhere are a majority: strong writes go on.'
        : 'The commit log is elsewhere: strong writes go on.'
  const then: Meanwhile =
    takesMajority && meanwhile === 'stop'
      ? 'stop'
      : stops
        ? 'stop there, strong stop'
        : 'stop there'
  return {
    strong: stops ? 'unsent lost' : 'kept',
    pinned: 'unsent lost',
    eventual: 'unsent lost',
    reads: then,
    writes: then,
    why: `${log} Tenants at home there are read from copies elsewhere, as stale as these are, and not written.`,
  }
}

/** Power fails everywhere at once and comes back: what was on disks is left. */
function powerCut(facts: DeploymentFacts): SurvivalRow {
  const servers = facts.regions.filter(({ store }) => store === 'server')
  const ofRows: Kept = servers.length > 0 ? 'kept if forced' : 'kept'
  // What all regions have applied etcd drops: one region at least must have it on its disk.
  const isDropped = facts.members > 0 && servers.length === facts.regions.length
  return {
    loss: 'power, everywhere',
    regions: facts.regions.map(({ region }) => region),
    strong: isDropped ? 'kept if forced' : 'kept',
    pinned: ofRows,
    eventual: ofRows,
    reads: 'stop',
    writes: 'stop',
    why: [
      facts.members > 0
        ? `etcd forces every record to disk before it answers${isDropped ? ', and drops those that every region has applied' : ''}.`
        : 'The commit log is forced to disk before a strong write is answered.',
      servers.length < facts.regions.length ? 'File stores force every commit.' : '',
      servers.length > 0
        ? 'A libSQL server forces commits where its durability is strong: `meridian config check --live` asks it.'
        : '',
      facts.regions.some(({ kafkaCopies }) => kafkaCopies > 0)
        ? 'Rows do not depend on Kafka.'
        : '',
      facts.regions.some(({ kafkaCopies }) => kafkaCopies === 1)
        ? 'A Kafka of one copy forces every record of the change log.'
        : '',
      facts.regions.some(({ kafkaCopies }) => kafkaCopies > 1)
        ? 'One of several copies relies on them, not on its disks: cut off all at once it may lose the last changes, and views and topics of the region stop then.'
        : '',
    ]
      .filter((sentence) => sentence !== '')
      .join(' '),
  }
}

function embeddedTable({ regions }: DeploymentFacts): readonly SurvivalRow[] {
  const all = {
    regions: regions.map(({ region }) => region),
    reads: 'stop',
    writes: 'stop',
  } as const
  const ends = 'Every region is in this process, and stops with it until it runs again.'
  return [
    { ...all, ...ALL_KEPT, loss: 'the process', why: ends },
    {
      ...all,
      loss: 'the machine, its disk too',
      strong: 'lost',
      pinned: 'lost',
      eventual: 'lost',
      why: 'All files are on it: what a backup has is left. Its regions stand for no other place.',
    },
    {
      ...all,
      ...ALL_KEPT,
      loss: 'power',
      why: 'Every commit is forced to disk before it is acknowledged.',
    },
  ]
}
