/** The workloads by name. */
import { bankWorkload } from './bank.ts'
import { listAppendWorkload } from './list-append.ts'
import { registerWorkload } from './register.ts'
import type { Workload } from './workload.ts'

/** Makes each for one run. */
export const WORKLOADS = {
  register: registerWorkload,
  'list-append': listAppendWorkload,
  bank: bankWorkload,
} as const satisfies Readonly<Record<string, () => Workload>>

/** Their names. */
export type WorkloadName = keyof typeof WORKLOADS
