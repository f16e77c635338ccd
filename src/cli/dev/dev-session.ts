/**
 * The regions behind `meridian dev`: opened with the schema as it is, opened anew when it changes.
 * A schema that is wrong, or that the data cannot follow, changes nothing: the last good one stays.
 */
import { asMeridianError, type MeridianError } from '../../core/errors.ts'
import type { Config } from '../../config/parse-config.ts'
import { openEmbedded, type EmbeddedDeployment } from '../../node/embedded.ts'
import { compileSchema } from '../../schema/compile.ts'
import type { Schema } from '../../schema/define.ts'
import { inspectRegion } from './inspect-region.ts'
import type { Snapshot } from './snapshot.ts'

/** What a session runs. */
export interface DevOptions {
  readonly config: Config
  readonly schemaFile: string
  readonly lockFile: string
  readonly directory: string
  readonly delayScale: number
  /** The schema as its file has it now. */
  readonly loadSchema: () => Promise<Schema>
  readonly onNotice: (notice: string) => void
}

/** What came of a reload. */
export type Reload =
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'loaded'; readonly version: number }
  | { readonly kind: 'refused'; readonly error: MeridianError }

export class DevSession {
  readonly #options: DevOptions
  #schema: Schema
  #deployment: EmbeddedDeployment
  #loadedAtMs = Date.now()
  #schemaError: MeridianError | null = null
  /** Reloads and looks take turns: a look must not meet a store that is being closed. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(options: DevOptions, schema: Schema, deployment: EmbeddedDeployment) {
    this.#options = options
    this.#schema = schema
    this.#deployment = deployment
  }

  /** @throws MeridianError as `openEmbedded`, and what loading the schema says */
  static async open(options: DevOptions): Promise<DevSession> {
    const schema = await options.loadSchema()
    return new DevSession(options, schema, await openWith(options, schema))
  }

  /** The regions as they are now; another object after a reload. */
  get deployment(): EmbeddedDeployment {
    return this.#deployment
  }

  /** Reads the schema again, and opens the regions with it. Never rejects for a wrong schema. */
  reload(): Promise<Reload> {
    return this.#inTurn(() => this.#reload())
  }

  /** What the page shows now. `url`: how clients reach a region. */
  look(url: (region: string) => string): Promise<Snapshot> {
    return this.#inTurn(() => this.#look(url))
  }

  /** Closes the regions; what has its turn is waited for. */
  close(): Promise<void> {
    return this.#inTurn(() => this.#deployment.close())
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work)
    this.#turn = next.catch(() => undefined)
    return next
  }

  async #reload(): Promise<Reload> {
    try {
      const schema = await this.#options.loadSchema()
      // The lock's version rises with every change.
      const { compiled } = compileSchema(schema, this.#deployment.lock)
      if (compiled.version === this.#deployment.compiled.version) {
        this.#schemaError = null
        return { kind: 'unchanged' }
      }
      await this.#deployment.close()
      this.#deployment = await openWith(this.#options, schema).catch(async (error: unknown) => {
        this.#deployment = await openWith(this.#options, this.#schema)
        throw error
      })
      this.#schema = schema
      this.#schemaError = null
      this.#loadedAtMs = Date.now()
      return { kind: 'loaded', version: this.#deployment.compiled.version }
    } catch (error) {
      this.#schemaError = asMeridianError(error)
      return { kind: 'refused', error: this.#schemaError }
    }
  }

  async #look(url: (region: string) => string): Promise<Snapshot> {
    const deployment = this.#deployment
    const { config, compiled } = deployment
    const nodes = config.regions.map((region) => deployment.node(region))
    const ends = new Map<string, number>()
    for (const node of nodes) ends.set(node.region, await node.end())
    const statuses = deployment.status()
    const regions = await Promise.all(
      nodes.map((node) =>
        inspectRegion(node, { deployment, statuses, ends, url: url(node.region) }),
      ),
    )
    return {
      schemaFile: this.#options.schemaFile,
      schemaVersion: compiled.version,
      loadedAtMs: this.#loadedAtMs,
      schemaError: this.#schemaError?.message ?? null,
      delaysMs: scaled(config.topology.oneWayMs, this.#options.delayScale),
      regions,
    }
  }
}

function openWith(options: DevOptions, schema: Schema): Promise<EmbeddedDeployment> {
  const { config, directory, lockFile, delayScale, onNotice } = options
  return openEmbedded({ schema, config, directory, lockFile, delayScale, onNotice })
}

function scaled(
  delaysMs: Readonly<Record<string, number>>,
  factor: number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(delaysMs).map(([pair, ms]) => [pair, ms * factor]))
}
