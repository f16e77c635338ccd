/** Breaks things at instants that the seed draws, and mends them. */
import type { SeededRandom } from '../../../src/core/seeded-random.ts'
import { LOG_PLACE, type SimLog } from '../world/commit-log.ts'
import { SOUND, type SimDisk } from '../world/disk.ts'
import { RELIABLE, type SimNetwork } from '../world/network.ts'
import type { MachineClock } from '../world/process.ts'
import type { World } from '../world/world.ts'
import type { EventKind, Plan } from './plan.ts'
import type { ChangeConsumer } from './change-consumer.ts'
import type { Neighbour } from './neighbour.ts'
import type { SimRegion } from './region.ts'

/** A region with its machine's parts. */
export interface Machine {
  readonly region: SimRegion
  readonly disk: SimDisk
  readonly clock: MachineClock
  readonly consumer: ChangeConsumer
  readonly neighbour: Neighbour
}

/** What a nemesis is made of. */
export interface NemesisParts {
  readonly world: World
  readonly plan: Plan
  readonly network: SimNetwork
  readonly log: SimLog
  readonly machines: readonly Machine[]
}

const HOUR_MS = 3_600_000

export class Nemesis {
  readonly #parts: NemesisParts
  readonly #random: SeededRandom
  /** Ends of the faults that are on. */
  readonly #ends = new Set<() => void>()
  #isHourOff = false
  #isOver = false

  constructor(parts: NemesisParts) {
    this.#parts = parts
    this.#random = parts.world.fork()
  }

  start(): void {
    const { plan, network, machines } = this.#parts
    network.rates = plan.links
    for (const [i, { disk }] of machines.entries()) {
      disk.rates = i === plan.liar ? plan.disk : { ...plan.disk, lieMs: 0 }
    }
    for (const [kind, meanMs] of plan.events) this.#schedule(kind, meanMs)
    for (const [i, { region }] of machines.entries()) {
      const atMs = plan.upgradesAtMs[i]
      if (atMs !== undefined) this.#parts.world.scheduler.after(atMs, () => upgrade(region))
    }
  }

  /** Ends every fault, and begins no other; but for one region, which stays down. */
  heal(downRegion?: number): void {
    const { network, log, machines, world } = this.#parts
    this.#isOver = true
    world.note(`heal but ${downRegion}`)
    for (const end of [...this.#ends]) end()
    network.rates = RELIABLE
    for (const { disk, clock, region } of machines) {
      disk.rates = SOUND
      clock.set()
      upgrade(region)
    }
    log.awayUntilMs = 0
    const down = machines[downRegion ?? -1]?.region
    if (down === undefined) return
    down.crash()
    this.#ends.add(() => down.start())
  }

  #schedule(kind: EventKind, meanMs: number): void {
    const delayMs = -Math.log(1 - this.#random.fraction()) * meanMs
    this.#parts.world.scheduler.after(delayMs, () => {
      if (this.#isOver) return
      this.#strike(kind)
      this.#schedule(kind, meanMs)
    })
  }

  #strike(kind: EventKind): void {
    if (kind !== 'crash' && kind !== 'clock-hour') this.#parts.world.count(`fault.${kind}`)
    switch (kind) {
      case 'one-way':
        return this.#oneWay()
      case 'isolate':
        return this.#isolate()
      case 'log-away':
        return this.#logAway()
      case 'pause':
        return this.#pause()
      case 'crash':
        return this.#crash()
      case 'clock-jump':
        return this.#jump()
      case 'clock-hour':
        return this.#hour()
      case 'slow-spell':
        return this.#slowSpell()
    }
  }

  #oneWay(): void {
    const [from, to] = this.#random.shuffle(this.#places()) as [string, string]
    this.#cut([[from, to]], 5_000)
  }

  /** Its clients reach the region, and it reaches nothing. */
  #isolate(): void {
    const { name } = this.#machine().region
    const others = this.#places().filter((place) => place !== name)
    const links = others.flatMap((place): [string, string][] => [
      [name, place],
      [place, name],
    ])
    this.#cut(links, 6_000)
  }

  #cut(links: readonly (readonly [from: string, to: string])[], mostMs: number): void {
    const { network, world } = this.#parts
    world.note(`cut ${links.join(' ')}`)
    for (const [from, to] of links) network.cut(from, to)
    this.#endAfter(mostMs, () => {
      for (const [from, to] of links) network.mend(from, to)
    })
  }

  #logAway(): void {
    const { log, world } = this.#parts
    log.refuses = this.#random.fraction() < 0.5
    log.awayUntilMs = world.scheduler.nowMs() + this.#random.fraction() * 4_000
    world.note(`log away ${log.refuses}`)
  }

  #pause(): void {
    const { region } = this.#machine()
    if (!region.isRunning()) return
    region.pause()
    this.#endAfter(5_000, () => region.resume())
  }

  #crash(): void {
    // A seeding is short, and much may go wrong in it.
    const seeding = this.#parts.machines.find(({ region }) => region.isSeeding())
    const isWanted = seeding !== undefined && this.#random.fraction() < 0.7
    const { region, disk } = isWanted ? seeding : this.#machine()
    const crash = (): void => {
      if (this.#isOver || region.isDown()) return
      this.#parts.world.count('fault.crash')
      region.crash()
      this.#endAfter(4_000, () => region.start())
    }
    // By chance alone it would hardly ever be in the middle of a write.
    if (this.#random.fraction() < 0.5) disk.duringNextSync(crash)
    else crash()
  }

  #jump(): void {
    const { clock, region } = this.#machine()
    const ms = Math.floor((this.#random.fraction() - 0.5) * 8_000)
    this.#parts.world.note(`${region.name} clock ${ms}`)
    clock.jump(ms)
  }

  /** For a while a clock is an hour off; one at a time: most are right. */
  #hour(): void {
    const { clock, region } = this.#machine()
    if (this.#isHourOff) return
    this.#isHourOff = true
    this.#parts.world.count('fault.clock-hour')
    const ms = this.#random.fraction() < 0.5 ? HOUR_MS : -HOUR_MS
    this.#parts.world.note(`${region.name} clock ${ms}`)
    clock.jump(ms)
    this.#endAfter(6_000, () => {
      clock.set()
      this.#isHourOff = false
    })
  }

  #slowSpell(): void {
    const { network, plan } = this.#parts
    network.rates = { ...plan.links, slow: 0.7, slowMs: 1_500 }
    this.#endAfter(3_000, () => {
      network.rates = plan.links
    })
  }

  #endAfter(mostMs: number, end: () => void): void {
    const once = (): void => {
      if (this.#ends.delete(once)) end()
    }
    this.#ends.add(once)
    this.#parts.world.scheduler.after(50 + this.#random.fraction() * mostMs, once)
  }

  #machine(): Machine {
    return this.#random.pick(this.#parts.machines)
  }

  #places(): string[] {
    return [...this.#parts.machines.map(({ region }) => region.name), LOG_PLACE]
  }
}

/** A node of an older release ends, and one of this release starts in its place. */
function upgrade(region: SimRegion): void {
  if (!region.isOld()) return
  region.upgrade()
  if (region.isDown()) return
  region.crash()
  region.start()
}
