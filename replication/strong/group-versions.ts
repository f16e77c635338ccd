/**
 * What a log group has risen to, in one region: the version of its state machine and its schema
 * (protocol rule 13). Says whether this node can follow it, and when a command can be sent.
 */
import { asMeridianError, type MeridianError } from '../../src/core/errors.ts'
import type { Runtime } from '../../src/core/ports/runtime.ts'
import type { ActiveSchema } from './active-schema.ts'
import { CONTROL_VERSION, type Control } from './control.ts'
import type { StrongFaults } from './faults.ts'
import { GroupSchema, type FitCommand } from './group-schema.ts'
import type { LogPosition } from './log-batch.ts'
import { machineTooOld } from './log-group-errors.ts'
import type { CallOptions } from './log-group-options.ts'
import type { Command, StateMachine } from './state-machine.ts'
import { VersionAgreement, type VersionReports } from './version-agreement.ts'

/** What it is made of. */
export interface GroupVersionsOptions<C extends Command> {
  readonly group: string
  readonly machine: StateMachine<C>
  /** Of this node. */
  readonly schemaVersion: number
  readonly versions?: VersionReports
  readonly runtime: Runtime
  /** Test-only. */
  readonly faults?: StrongFaults
}

/** A command that can be sent, and the version of the state machine that it needs. */
export interface ReadyCommand<C> extends FitCommand<C> {
  readonly machineVersion: number
}

type Position = Pick<LogPosition, 'machineVersion' | 'schema'>

export class GroupVersions<C extends Command> {
  readonly #options: GroupVersionsOptions<C>
  readonly #machine: VersionAgreement
  readonly #schema: GroupSchema<C>

  /** `append`: resolves once the control record is applied here. */
  constructor(
    options: GroupVersionsOptions<C>,
    { machineVersion }: Position,
    append: (control: Control) => Promise<void>,
  ) {
    this.#options = options
    const raise = (version: number): Promise<void> => append({ type: 'machine-version', version })
    const supported = options.machine.version
    this.#machine = new VersionAgreement({ ...options, supported, raise }, machineVersion)
    const say = (schema: ActiveSchema): Promise<void> => append({ type: 'schema', schema })
    this.#schema = new GroupSchema({ ...options, say })
  }

  /** Why this node cannot follow a log from there; undefined: it can, and evaluates by it. */
  load({ machineVersion, schema }: Position): MeridianError | undefined {
    const { group, machine } = this.#options
    if (machineVersion > machine.version) {
      return machineTooOld(group, machineVersion, machine.version)
    }
    try {
      this.#schema.load(schema)
      this.#machine.noteActive(machineVersion)
      return undefined
    } catch (error) {
      return asMeridianError(error)
    }
  }

  /** A control record is applied here. */
  note(control: Control): void {
    if (control.type === 'machine-version') this.#machine.noteActive(control.version)
    if (control.type === 'schema') this.#schema.note(control.schema)
  }

  /** Reports what this node supports, and raises the group as soon as all regions do. */
  start(): void {
    this.#machine.start()
    this.#schema.start()
  }

  /** Whoever waits fails with `reason`. */
  stop(reason: MeridianError): void {
    this.#machine.stop(reason)
    this.#schema.stop(reason)
  }

  /** The version of the state machine that the log has risen to, as far as it is applied here. */
  machineVersion(): number {
    return this.#machine.active()
  }

  /** The schema that the log has come to; null: it has not said any. */
  saidSchema(): number | null {
    return this.#schema.said()
  }

  /** Which schema records are of that are appended now. */
  schemaVersion(): number {
    return this.#schema.version()
  }

  /**
   * The command as it can be sent: at once where it needs no more than the log has risen to, as most
   * do, for commands of one turn share a record; else when the log has.
   *
   * @throws MeridianError as `VersionAgreement.require`
   */
  ready(command: C, call: CallOptions): ReadyCommand<C> | Promise<ReadyCommand<C>> {
    const { machine } = this.#options
    const machineVersion = machine.leastVersion?.(command) ?? machine.version
    const fit = this.#schema.fit(command)
    return fit === undefined || machineVersion > this.machineVersion()
      ? this.#wait(command, machineVersion, call)
      : { command: fit, machineVersion, call }
  }

  async #wait(command: C, machineVersion: number, call: CallOptions): Promise<ReadyCommand<C>> {
    const left = await this.#machine.require(machineVersion, call)
    return { ...(await this.#schema.whenFit(command, left)), machineVersion }
  }

  /** Resolves once all regions know control records. @throws MeridianError as `ready` */
  async requireControls(control: Control, call: CallOptions): Promise<CallOptions> {
    // The first of all is the one that says so.
    return control.type === 'machine-version' ? call : this.#machine.require(CONTROL_VERSION, call)
  }
}
