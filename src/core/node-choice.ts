/**
 * Which node of a region is asked: the one that answered last, and the next one where it cannot be
 * reached. What may have been executed is never asked of another: only the caller knows whether it
 * may happen twice.
 */
import { isErrorCode } from './errors.ts'

/** The nodes of each region, in the order in which they are asked. */
export class NodeChoice<Node> {
  readonly #nodes: ReadonlyMap<string, readonly Node[]>
  /** Place of the node to ask first, where it is not the first of the list. */
  readonly #first = new Map<string, number>()

  constructor(nodes: ReadonlyMap<string, readonly Node[]>) {
    this.#nodes = nodes
  }

  /** All nodes of a region, beginning with the one that was good last. */
  inTurn(region: string): readonly Node[] {
    const nodes = this.#nodes.get(region) ?? []
    const first = this.#first.get(region) ?? 0
    return first === 0 ? nodes : [...nodes.slice(first), ...nodes.slice(0, first)]
  }

  /** The node answered by itself: it is asked first from now on. */
  prefer(region: string, node: Node): void {
    this.#first.set(region, Math.max(0, this.#nodes.get(region)?.indexOf(node) ?? 0))
  }

  /** Another node would be better: if this one comes first, the next one does from now on. */
  avoid(region: string, node: Node): void {
    const nodes = this.#nodes.get(region) ?? []
    const first = this.#first.get(region) ?? 0
    if (nodes[first] === node) this.#first.set(region, (first + 1) % nodes.length)
  }

  /**
   * Asks one node after another until one was reached. `skip`: how many of them are asked by
   * somebody else at this moment, for the same answer.
   *
   * @throws what `ask` throws: `REGION_UNREACHABLE` that is safe to repeat of the last node, anything
   * else of the first that fails so
   */
  async ask<Answer>(
    region: string,
    ask: (node: Node) => Promise<Answer>,
    skip: number = 0,
  ): Promise<Answer> {
    const nodes = this.inTurn(region)
    const start = skip % Math.max(1, nodes.length)
    let failure: unknown
    for (const node of [...nodes.slice(start), ...nodes.slice(0, start)]) {
      try {
        return await ask(node)
      } catch (error) {
        if (!isUnreached(error)) throw error
        failure = error
        this.avoid(region, node)
      }
    }
    throw failure
  }
}

/** Whether nothing was sent to the node, or it did nothing. */
function isUnreached(error: unknown): boolean {
  return isErrorCode(error, 'REGION_UNREACHABLE') && error.retry === 'safe'
}
