/** CPU time of processes, from Linux's `/proc`. */
import { readFileSync } from 'node:fs'

/** `/proc` counts in ticks of 10 ms on every machine that Node runs on. */
const TICK_MS = 10
/** Places in the line after the name of the program, which may hold spaces and brackets itself. */
const USER_TICKS = 11
const SYSTEM_TICKS = 12
const START_TICKS = 19

/** What a line of `/proc/<pid>/stat` says. */
export interface ProcessTimes {
  /** User and system time of all its threads; not that of its children. */
  readonly cpuMs: number
  /** When it started: with the pid, which process it is. */
  readonly startTicks: number
}

/** `undefined` for a line in another form. */
export function parseProcessStat(line: string): ProcessTimes | undefined {
  const fields = line
    .slice(line.lastIndexOf(')') + 1)
    .trim()
    .split(' ')
  const [user, system, startTicks] = [USER_TICKS, SYSTEM_TICKS, START_TICKS].map((at) =>
    Number(fields[at] ?? NaN),
  )
  if (user === undefined || system === undefined || startTicks === undefined) return undefined
  if (![user, system, startTicks].every(Number.isFinite)) return undefined
  return { cpuMs: (user + system) * TICK_MS, startTicks }
}

interface KnownProcess extends ProcessTimes {
  /** Of processes that had the pid before. */
  readonly endedMs: number
}

/** Reads CPU times, and remembers them for processes that end. */
export class CpuReader {
  readonly #readStat: (pid: number) => string
  readonly #known = new Map<number, KnownProcess>()

  /** `readStat` gives the line of a process and throws where there is none. */
  constructor(readStat: (pid: number) => string = readProcStat) {
    this.#readStat = readStat
  }

  /**
   * CPU time that the processes have used since they started, in ms of one core; children are
   * processes of their own. One that is gone counts with what it had when it was last read. NaN
   * where nothing is known of any of them, as on systems without `/proc`.
   */
  cpuMs(pids: Iterable<number>): number {
    let sum = NaN
    for (const pid of new Set(pids)) {
      const known = this.#read(pid)
      if (known !== undefined) sum = (Number.isNaN(sum) ? 0 : sum) + known.endedMs + known.cpuMs
    }
    return sum
  }

  #read(pid: number): KnownProcess | undefined {
    const before = this.#known.get(pid)
    const times = this.#times(pid)
    if (times === undefined) return before
    const isOther = before !== undefined && before.startTicks !== times.startTicks
    const endedMs = (before?.endedMs ?? 0) + (isOther ? before.cpuMs : 0)
    const known = { ...times, endedMs }
    this.#known.set(pid, known)
    return known
  }

  #times(pid: number): ProcessTimes | undefined {
    try {
      return parseProcessStat(this.#readStat(pid))
    } catch {
      return undefined
    }
  }
}

function readProcStat(pid: number): string {
  return readFileSync(`/proc/${pid}/stat`, 'latin1')
}

const reader = new CpuReader()

/** `CpuReader.cpuMs` of this process's one reader. */
export function cpuMs(pids: Iterable<number>): number {
  return reader.cpuMs(pids)
}
