/** Which calls of Meridian and of peers are the same work. */
import type { Cell, CellMode, PeerCell } from '../measure/cell.ts'
import { describeCall, describeLoad } from './names.ts'
import type { BenchResult } from './result.ts'

/** One system's figures for a kind of work. */
export interface Contestant extends Omit<PeerCell, 'peer'> {
  readonly system: string
  /** Meridian itself. */
  readonly isOwn: boolean
}

/** A kind of work, and who did it: by origin, and Meridian before those under the same load. */
export interface Work {
  readonly title: string
  readonly contestants: readonly Contestant[]
}

interface WorkDefinition {
  readonly title: string
  readonly peer: (cell: PeerCell) => boolean
  readonly own: (cell: Cell) => boolean
}

const REPLICATED: readonly string[] = ['etcd', 'postgresql', 'cassandra']
/** One of several copies answers by itself. */
const LOCAL_COPY = /standby|local|\bone\b/i

const isWrite = ({ op }: PeerCell): boolean =>
  /write|transaction|upsert|insert|update/i.test(op) && !/bulk/i.test(op)
const isRead = ({ op }: PeerCell): boolean => /read|select|\bget\b/i.test(op)
const isReplicated = ({ peer, op }: PeerCell): boolean =>
  REPLICATED.includes(peer) && !LOCAL_COPY.test(op)

/** The first that fits a peer's call has it. */
const WORKS: readonly WorkDefinition[] = [
  {
    title: 'From a commit to a consumer of the region’s log',
    peer: ({ op }) => /consume/i.test(op),
    own: ({ op }) => op.startsWith('publish'),
  },
  {
    title: 'A write that survives the loss of a region',
    peer: (cell) => isWrite(cell) && isReplicated(cell),
    own: ({ mode, op }) => mode === 'strong' && op.startsWith('write'),
  },
  {
    title: 'A read of the latest write',
    peer: (cell) => isRead(cell) && isReplicated(cell),
    own: ({ mode, op, level }) => mode === 'strong' && op === 'read' && level === 'strong',
  },
  {
    title: 'A durable write in one region',
    peer: isWrite,
    own: ({ mode, op, origin, home }) =>
      op === 'write' && (mode === 'eventual' || (mode === 'pinned' && origin === home)),
  },
  {
    title: 'A read in one region',
    peer: isRead,
    own: ({ mode, op, level, origin, home }) =>
      op.startsWith('point-read') ||
      (op === 'read' && mode === 'pinned' && level === 'session' && origin === home),
  },
]

const WRITE_MEANS: Readonly<Record<CellMode, string>> = {
  strong: 'fsync on a majority of regions, applied in the caller’s',
  pinned: 'fsync at the tenant’s home',
  eventual: 'fsync in the caller’s region',
}

const READ_MEANS: Readonly<Record<string, string>> = {
  strong: 'sees every write acknowledged before it',
  session: 'sees what its session has seen, from the local copy',
  stale: 'what the local copy holds',
}

/** Kinds of work that at least one peer did; what fits none comes last. */
export function compareWorks({ cells, peers }: BenchResult): readonly Work[] {
  const left = new Set(withoutRepeats(peers))
  const works = WORKS.flatMap(({ title, peer, own }): Work[] => {
    const fitting = [...left].filter(peer)
    for (const cell of fitting) left.delete(cell)
    if (fitting.length === 0) return []
    const origins = new Set(fitting.map(({ origin }) => origin))
    const beside = cells.filter((cell) => own(cell) && origins.has(cell.origin))
    return [{ title, contestants: inOrder([...beside.map(ofCell), ...fitting.map(ofPeer)]) }]
  })
  if (left.size === 0) return works
  return [...works, { title: 'Other work', contestants: inOrder([...left].map(ofPeer)) }]
}

/** A raw engine stands beside several cells: of equal calls under equal load, the one with most calls. */
function withoutRepeats(peers: readonly PeerCell[]): readonly PeerCell[] {
  const byCall = new Map<string, PeerCell>()
  for (const cell of peers) {
    const { peer, op, origin, home } = cell
    const key = JSON.stringify([peer, op, origin, home, describeLoad(cell)])
    const known = byCall.get(key)
    if (known === undefined || known.n < cell.n) byCall.set(key, cell)
  }
  return [...byCall.values()]
}

function inOrder(contestants: readonly Contestant[]): readonly Contestant[] {
  const origins = [...new Set(contestants.map(({ origin }) => origin))]
  const rate = ({ loop, rateOpsPerSecond }: Contestant): number =>
    loop === 'open' ? rateOpsPerSecond : 0
  return contestants.toSorted(
    (a, b) =>
      origins.indexOf(a.origin) - origins.indexOf(b.origin) ||
      Number(b.isOwn) - Number(a.isOwn) ||
      a.system.localeCompare(b.system) ||
      a.op.localeCompare(b.op) ||
      rate(a) - rate(b),
  )
}

function ofCell(cell: Cell): Contestant {
  const { mode, level } = cell
  const means = typeof level === 'string' ? READ_MEANS[level] : undefined
  const durability = level === null ? WRITE_MEANS[mode] : (means ?? 'no older than was asked for')
  const op = `${mode} ${describeCall(cell)}`
  return { ...cell, system: 'Meridian', version: '', isOwn: true, op, durability }
}

function ofPeer(cell: PeerCell): Contestant {
  return { ...cell, system: cell.peer, isOwn: false }
}
