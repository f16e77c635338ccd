/** Dependencies between transactions, and cycles among them. */

/** Kinds of edges, as bits. */
export const EDGE = {
  /** The next version after the one that the first wrote. */
  ww: 1,
  /** Read the version that the first wrote. */
  wr: 2,
  /** Overwrote the version that the first read. */
  rw: 4,
  /** Began after the first had ended. */
  rt: 8,
  /** From a stand-in node to those that it stands for; without meaning of its own. */
  via: 16,
} as const

/** An edge of a cycle; it leads to the next edge's `from`, the last one to the first's. */
export interface CycleEdge {
  readonly from: number
  readonly type: number
  /** The key that it is about; empty for real time. */
  readonly key: string
}

interface Edge extends CycleEdge {
  readonly to: number
}

/** Which cycles are looked for, and for how long. */
export interface CycleBounds {
  /** Types of which one edge must be. */
  readonly first: number
  /** Types of which the others may be. */
  readonly rest: number
  /**
   * Whether a cycle may also close from the first node to the second by real time, over any distance:
   * the graph has only the nearest of such edges.
   */
  readonly closes?: (from: number, to: number) => boolean
  /** The most edges. */
  readonly maxLength: number
  /** Visits of nodes that the search may take, about. */
  readonly maxVisits: number
}

/** A way from one node to another. */
interface Way {
  readonly path: Edge[] | undefined
  /** There may be a longer one. */
  readonly cut: boolean
  readonly visits: number
}

/** What a search for the shortest cycle of a component found. */
export interface CycleSearch {
  readonly cycle: readonly CycleEdge[] | undefined
  /** Every cycle was considered: no shorter one exists, or none at all. */
  readonly complete: boolean
}

export class DependencyGraph {
  readonly #edges: Edge[][]

  constructor(nodeCount: number) {
    this.#edges = Array.from({ length: nodeCount }, () => [])
  }

  /** Adds a node that stands for several; its number. */
  addNode(): number {
    return this.#edges.push([]) - 1
  }

  add(from: number, to: number, type: number, key = ''): void {
    if (from !== to) this.#edges[from]?.push({ from, to, type, key })
  }

  /**
   * The components of more than one node, by edges of these types (Tarjan, "Depth-first search and
   * linear graph algorithms", 1972; without recursion).
   */
  components(types: number): number[][] {
    const order = new Array<number>(this.#edges.length).fill(-1)
    const low = [...order]
    const onStack = new Set<number>()
    const stack: number[] = []
    const found: number[][] = []
    let next = 0
    const enter = (node: number): { node: number; edge: number } => {
      order[node] = low[node] = next++
      stack.push(node)
      onStack.add(node)
      return { node, edge: 0 }
    }
    const lower = (node: number, to: number): void => {
      low[node] = Math.min(low[node] as number, to)
    }
    for (let root = 0; root < this.#edges.length; root++) {
      if (order[root] !== -1) continue
      const path = [enter(root)]
      for (let at = path.at(-1); at !== undefined; at = path.at(-1)) {
        const edge = this.#edges[at.node]?.[at.edge++]
        if (edge === undefined) {
          path.pop()
          const above = path.at(-1)
          if (above !== undefined) lower(above.node, low[at.node] as number)
          if (low[at.node] !== order[at.node]) continue
          const component = stack.splice(stack.lastIndexOf(at.node))
          for (const node of component) onStack.delete(node)
          if (component.length > 1) found.push(component)
        } else if ((edge.type & types) !== 0) {
          if (order[edge.to] === -1) path.push(enter(edge.to))
          else if (onStack.has(edge.to)) lower(at.node, order[edge.to] as number)
        }
      }
    }
    return found
  }

  /**
   * The shortest cycle inside a component that has an edge of the types `first` and otherwise edges
   * of the types `rest`, and at most `maxLength` edges. Looks for short ones from everywhere before it
   * looks for longer ones. After about `maxVisits` visits of nodes it takes the next best one.
   */
  shortestCycle(component: readonly number[], within: CycleBounds): CycleSearch {
    const inside = new Set(component)
    let visits = 0
    const searchFrom = (edge: Edge, longest: number): Way => {
      const way = this.#way(edge.to, edge.from, { ...within, inside, longest })
      visits += way.visits
      return way
    }
    let starts = component
      .flatMap((node) => this.#edges[node] as Edge[])
      .filter((edge) => (edge.type & within.first) !== 0 && inside.has(edge.to))
    for (let length = 1; length < within.maxLength && starts.length > 0; length++) {
      const longer: Edge[] = []
      for (const edge of starts) {
        if (visits > within.maxVisits) return this.#anyCycle(starts, searchFrom, within)
        const { path, cut } = searchFrom(edge, length)
        if (path !== undefined) return { cycle: [edge, ...path], complete: true }
        if (cut) longer.push(edge)
      }
      starts = longer
    }
    return { cycle: undefined, complete: true }
  }

  /** The shortest cycle through the first edge that has one, in a bounded number of trials. */
  #anyCycle(
    starts: readonly Edge[],
    searchFrom: (edge: Edge, longest: number) => Way,
    { maxLength, maxVisits }: CycleBounds,
  ): CycleSearch {
    let visits = 0
    for (const edge of starts) {
      const way = searchFrom(edge, maxLength - 1)
      if (way.path !== undefined) return { cycle: [edge, ...way.path], complete: false }
      visits += way.visits
      if (visits > maxVisits) break
    }
    return { cycle: undefined, complete: false }
  }

  /** The shortest way by breadth first, of at most `longest` edges. */
  #way(
    from: number,
    to: number,
    within: Pick<CycleBounds, 'rest' | 'closes'> & {
      readonly inside: ReadonlySet<number>
      readonly longest: number
    },
  ): Way {
    const cameBy = new Map<number, Edge | undefined>([[from, undefined]])
    let layer = [from]
    for (let length = 1; layer.length > 0 && length <= within.longest; length++) {
      const nextLayer: number[] = []
      for (const node of layer) {
        if (within.closes?.(node, to) === true) {
          cameBy.set(to, { from: node, to, type: EDGE.rt, key: '' })
          return { path: trace(cameBy, to), cut: false, visits: cameBy.size }
        }
        for (const edge of this.#edges[node] as Edge[]) {
          if ((edge.type & within.rest) === 0 || cameBy.has(edge.to)) continue
          if (!within.inside.has(edge.to)) continue
          cameBy.set(edge.to, edge)
          if (edge.to === to) return { path: trace(cameBy, to), cut: false, visits: cameBy.size }
          nextLayer.push(edge.to)
        }
      }
      layer = nextLayer
    }
    return { path: undefined, cut: layer.length > 0, visits: cameBy.size }
  }
}

function trace(cameBy: ReadonlyMap<number, Edge | undefined>, to: number): Edge[] {
  const path: Edge[] = []
  for (let edge = cameBy.get(to); edge !== undefined; edge = cameBy.get(edge.from)) path.push(edge)
  return path.reverse()
}
