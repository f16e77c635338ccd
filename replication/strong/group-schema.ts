/**
 * The active schema of a log group in one region: follows what the log says, has the log say the
 * node's own once every region has it, and keeps back what needs it until then (protocol rule 13).
 */
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { ActiveSchema } from './active-schema.ts'
import type { StrongFaults } from './faults.ts'
import type { MeridianError } from '../../src/core/errors.ts'
import { schemaTooOld } from './log-group-errors.ts'
import type { CallOptions } from './log-group-options.ts'
import type { Command, StateMachine } from './state-machine.ts'
import { VersionAgreement, type VersionReports } from './version-agreement.ts'

/** What it is made of. */
export interface GroupSchemaOptions<C extends Command> {
  readonly group: string
  readonly machine: StateMachine<C>
  /** Of this node. */
  readonly schemaVersion: number
  readonly versions?: VersionReports
  readonly runtime: Runtime
  /** Appends the record that says it; resolves once it is applied here. */
  readonly say: (schema: ActiveSchema) => Promise<void>
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** A command as it can be sent, with what is left of its call's time. */
export interface FitCommand<C> {
  readonly command: C
  readonly call: CallOptions
}

export class GroupSchema<C extends Command> {
  readonly #options: GroupSchemaOptions<C>
  readonly #agreement: VersionAgreement | undefined
  /** Undefined: the log has not said any; the node's own holds. */
  #active: ActiveSchema | undefined

  constructor(options: GroupSchemaOptions<C>) {
    this.#options = options
    const { group, machine, schemaVersion, runtime, versions, faults, say } = options
    const { schemas } = machine
    if (schemas === undefined) return
    this.#agreement = new VersionAgreement(
      {
        group,
        on: { reportedAs: `schema:${group}`, least: 1, name: 'the schema of log group' },
        supported: schemaVersion,
        runtime,
        ...(versions === undefined ? {} : { versions }),
        ...(faults === undefined ? {} : { faults }),
        raise: async (version) => {
          // Only who has a schema can say what is in it.
          if (version === schemaVersion) await say(schemas.own)
        },
      },
      0,
    )
  }

  /**
   * Takes the schema of the store's position.
   *
   * @throws MeridianError `SCHEMA_INCOMPATIBLE` where this node cannot evaluate by it
   */
  load(active: ActiveSchema | undefined): void {
    const { group, schemaVersion } = this.#options
    if (active !== undefined && active.version > schemaVersion) {
      throw schemaTooOld(group, active.version, schemaVersion)
    }
    this.#take(active)
  }

  /** A record that says a schema is applied here. */
  note(said: ActiveSchema): void {
    if (said.version > (this.#active?.version ?? 0)) this.#take(said)
  }

  /** Reports this node's schema, and has the log say it once all regions have it. */
  start(): void {
    this.#agreement?.start()
  }

  stop(reason: MeridianError): void {
    this.#agreement?.stop(reason)
  }

  /** What the log has come to; null: it has not said any. */
  said(): number | null {
    return this.#active?.version ?? null
  }

  /** What records are of that are appended now. */
  version(): number {
    return this.#active?.version ?? this.#options.schemaVersion
  }

  /** The command as the log can take it now; undefined: it needs more than the log has come to. */
  fit(command: C): C | undefined {
    const { schemas } = this.#options.machine
    return schemas === undefined ? command : schemas.fit(command)
  }

  /** Waits until the log can take it. @throws MeridianError as `VersionAgreement.require` */
  async whenFit(command: C, call: CallOptions): Promise<FitCommand<C>> {
    const fit = this.fit(command)
    if (fit !== undefined || this.#agreement === undefined) return { command: fit ?? command, call }
    return { command, call: await this.#agreement.require(this.#options.schemaVersion, call) }
  }

  #take(active: ActiveSchema | undefined): void {
    this.#options.machine.schemas?.adopt(active)
    this.#active = active
    if (active !== undefined) this.#agreement?.noteActive(active.version)
  }
}
