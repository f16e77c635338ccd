/** CPU time that the machine's own host took away, from Linux's `/proc/stat`. */
import { readFileSync } from 'node:fs'

/** Of the fields of the line of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal. */
const STEAL_FIELD = 7
/** What follows is part of user time already. */
const FIELDS = 8

/** CPU times of the machine since it started, in ticks of its kernel. */
export interface CpuTimes {
  readonly totalTicks: number
  readonly stealTicks: number
}

/** `null` for a text in another form. */
export function parseCpuTimes(procStat: string): CpuTimes | null {
  const line = procStat.split('\n').find((one) => one.startsWith('cpu '))
  const fields =
    line
      ?.trim()
      .split(/\s+/)
      .slice(1, FIELDS + 1)
      .map(Number) ?? []
  if (fields.length < FIELDS || !fields.every(Number.isFinite)) return null
  return {
    totalTicks: fields.reduce((sum, ticks) => sum + ticks, 0),
    stealTicks: fields[STEAL_FIELD] ?? 0,
  }
}

/** The times now; `null` on systems without `/proc/stat`. */
export function readCpuTimes(): CpuTimes | null {
  try {
    return parseCpuTimes(readFileSync('/proc/stat', 'latin1'))
  } catch {
    return null
  }
}

/** Share (0 to 1) of CPU time between two readings that was stolen; `null` where it is not known. */
export function stealShare(before: CpuTimes | null, after: CpuTimes | null): number | null {
  if (before === null || after === null) return null
  const totalTicks = after.totalTicks - before.totalTicks
  if (totalTicks <= 0) return null
  return Math.max(0, after.stealTicks - before.stealTicks) / totalTicks
}
