/** YCSB's core workloads (Cooper et al., SoCC 2010, section 4.2). */

/** What a call does. */
export type CallName = 'read' | 'update' | 'insert' | 'scan' | 'read-modify-write'

/** One of the core workloads. */
export interface CoreWorkload {
  readonly name: string
  readonly summary: string
  /** Shares of the calls; together 1. */
  readonly shares: Readonly<Partial<Record<CallName, number>>>
  /** Which records are popular. */
  readonly popular: 'zipfian' | 'latest'
}

/** Records that are there when calls begin. */
export const RECORDS = 1000
/** Rows that a scan asks for: 1 to as many, each as likely. */
export const LONGEST_SCAN = 100

/** A to F. */
export const CORE_WORKLOADS: readonly CoreWorkload[] = [
  {
    name: 'ycsb-a',
    summary: 'half reads, half updates of one field, in each mode',
    shares: { read: 0.5, update: 0.5 },
    popular: 'zipfian',
  },
  {
    name: 'ycsb-b',
    summary: '95% reads, 5% updates of one field, in each mode',
    shares: { read: 0.95, update: 0.05 },
    popular: 'zipfian',
  },
  {
    name: 'ycsb-c',
    summary: 'reads alone, in each mode',
    shares: { read: 1 },
    popular: 'zipfian',
  },
  {
    name: 'ycsb-d',
    summary: '95% reads of what a caller inserted lately, 5% inserts, in each mode',
    shares: { read: 0.95, insert: 0.05 },
    popular: 'latest',
  },
  {
    name: 'ycsb-e',
    summary: '95% scans of up to 100 records, 5% inserts, in each mode',
    shares: { scan: 0.95, insert: 0.05 },
    popular: 'zipfian',
  },
  {
    name: 'ycsb-f',
    summary: 'half reads, half transactions that read a record and write it back, in each mode',
    shares: { read: 0.5, 'read-modify-write': 0.5 },
    popular: 'zipfian',
  },
]
