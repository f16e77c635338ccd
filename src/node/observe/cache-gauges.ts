/** The metrics of the regions' caches. */
import { Gauge, type Registry } from 'prom-client'
import type { RegionCacheStatus } from '../region-cache.ts'

/** What a read came to. */
const RESULTS = ['hits', 'misses', 'behind', 'bypassed'] as const

export class CacheGauges {
  readonly #inUse: Gauge<'region'>
  readonly #position: Gauge<'region'>
  readonly #reads: Gauge<'region' | 'result'>
  readonly #memoryHits: Gauge<'region'>
  readonly #mismatches: Gauge<'region'>

  constructor(registry: Registry) {
    const registers = [registry]
    this.#inUse = new Gauge({
      name: 'meridian_cache_in_use',
      help: 'Whether reads ask the cache: 1 or 0.',
      labelNames: ['region'],
      registers,
    })
    this.#position = new Gauge({
      name: 'meridian_cache_position',
      help: 'The cache holds all changes up to here.',
      labelNames: ['region'],
      registers,
    })
    this.#reads = new Gauge({
      name: 'meridian_cache_reads',
      help: 'Reads by key since the start, by what they came to.',
      labelNames: ['region', 'result'],
      registers,
    })
    this.#memoryHits = new Gauge({
      name: 'meridian_cache_memory_hits',
      help: 'Calls of the cache since the start that the memory of the process answered.',
      labelNames: ['region'],
      registers,
    })
    this.#mismatches = new Gauge({
      name: 'meridian_cache_sample_mismatches',
      help: 'Rows that the cache was found to hold otherwise than the store; 0 is right.',
      labelNames: ['region'],
      registers,
    })
  }

  set(region: string, cache: RegionCacheStatus): void {
    this.#inUse.set({ region }, Number(cache.inUse))
    if (cache.position !== null) this.#position.set({ region }, cache.position)
    for (const result of RESULTS) this.#reads.set({ region, result }, cache[result])
    this.#memoryHits.set({ region }, cache.memory.hits)
    this.#mismatches.set({ region }, cache.samples.mismatches)
  }
}
