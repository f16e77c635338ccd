/** How far nodes have come, asked over HTTP. */
import { MeridianError } from '../../core/errors.ts'
import { STATUS_PATH } from '../../core/wire-http.ts'
import type { NodeReport } from '../../node/node-status.ts'
import type { MeridianProcess } from '../meridian-process.ts'
import type { RegionProgress } from './running-regions.ts'
import { endOfStore } from './store-files.ts'

const SETTLE_TIMEOUT_MS = 60_000
const SETTLE_POLL_MS = 20

/** The running nodes, asked over HTTP how they stand. */
export class NodeReports {
  readonly #processes: ReadonlyMap<string, MeridianProcess>
  readonly #directory: string
  readonly #token: string

  /** The node of each region; the folders of the regions' stores are in `directory`. */
  constructor(processes: ReadonlyMap<string, MeridianProcess>, directory: string, token: string) {
    this.#processes = processes
    this.#directory = directory
    this.#token = token
  }

  async ready(): Promise<void> {
    await poll(SETTLE_TIMEOUT_MS, async () => {
      const waiting = (await this.#reports()).flatMap(({ checks }) =>
        checks.filter((check) => !check.ok).map((check) => `${check.name}: ${check.waitsFor}`),
      )
      return waiting
    })
  }

  async progress(): Promise<readonly RegionProgress[]> {
    return (await this.#reports()).flatMap((report) => report.regions)
  }

  /** Nothing is on its way once streams, logs and views are at the ends of the stores, twice. */
  async settle(timeoutMs = SETTLE_TIMEOUT_MS): Promise<void> {
    let before = ''
    await poll(timeoutMs, async () => {
      const regions = (await this.#reports()).flatMap((report) => report.regions)
      const ends = new Map(
        regions.map(({ region }) => [region, endOfStore(this.#directory, region)]),
      )
      const strongEnd = Math.max(...regions.map((region) => region.strongIndex))
      const lagging = regions.flatMap((at) => {
        const end = ends.get(at.region) ?? 0
        // JSON has no infinity: a region without views says null.
        const views = at.viewPosition as number | null
        const streams = at.imports.filter((one) => one.position < (ends.get(one.from) ?? 0))
        return [
          ...(views !== null && views < end ? [`views of ${at.region}`] : []),
          ...(at.relayPosition < end ? [`the change log of ${at.region}`] : []),
          ...(at.publisher !== null && at.publisher.position < end
            ? [`topics of ${at.region}`]
            : []),
          ...(at.strongIndex < strongEnd ? [`the strong log in ${at.region}`] : []),
          ...streams.map((one) => `${one.from} in ${at.region}`),
        ]
      })
      const now = JSON.stringify([strongEnd, ...ends.values()])
      // What arrived meanwhile may have moved others on: look twice.
      if (lagging.length === 0 && now !== before) lagging.push('what has just arrived')
      before = now
      return lagging
    })
  }

  async #reports(): Promise<readonly NodeReport[]> {
    return Promise.all(
      Array.from(this.#processes.values(), async (process) => {
        process.requireRunning()
        const response = await fetch(`${process.url}${STATUS_PATH}`, {
          headers: { authorization: `Bearer ${this.#token}` },
        })
        return (await response.json()) as NodeReport
      }),
    )
  }
}

/** Asks until nothing is missing any more. @throws MeridianError `DEADLINE_EXCEEDED` naming what is */
async function poll(timeoutMs: number, missing: () => Promise<readonly string[]>): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    const left = await missing()
    if (left.length === 0) return
    if (performance.now() > deadlineMs) {
      throw new MeridianError('DEADLINE_EXCEEDED', `Still on its way: ${left.join('; ')}.`, {
        fix: 'Look at the logs of the nodes.',
      })
    }
    await new Promise((resolve) => {
      setTimeout(resolve, SETTLE_POLL_MS)
    })
  }
}
