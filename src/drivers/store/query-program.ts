/**
 * Program of a query process: runs SQL of users on a connection of its own that cannot write. What
 * it is given may run without end or bring the engine down; its parent then ends this process and
 * nothing else. Memory is bounded by the engine, time by the parent.
 */
import { Worker } from 'node:worker_threads'
import { MeridianError } from '../../core/errors.ts'
import { StatementFailed, type DescribedResult } from '../../core/ports/store.ts'
import type { BoundStatement } from './bind.ts'
import type { Connection } from './connection.ts'
import { beginSnapshot, runQuery } from './inline-queries.ts'
import { openReader } from './store-connections.ts'
import { toThreadError, type ThreadError } from './thread-error.ts'

/** To the process; each is answered by one reply, in order. */
export type QueryRequest =
  | { readonly kind: 'query'; readonly statement: BoundStatement }
  /** From here on queries see one snapshot, until `end`. */
  | { readonly kind: 'begin' }
  | { readonly kind: 'end' }

/** From the process; the first says that it has started. */
export type QueryReply =
  | { readonly result: DescribedResult | null }
  | { readonly error: ThreadError }

const MAX_MEMORY_BYTES = 128 * 1024 * 1024

/**
 * Ends this process when its parent is gone: then the parent's end of the standard input closes.
 * On a thread of its own, since this one may be inside a query.
 */
function endWithParent(): void {
  const text = `try { require('node:fs').readSync(0, new Uint8Array(1)) } finally {
    process.kill(process.pid, 'SIGKILL') }`
  new Worker(text, { eval: true }).unref()
}

function open(path: string): Connection {
  const connection = openReader(path)
  connection.pragma(`hard_heap_limit = ${MAX_MEMORY_BYTES}`)
  // What is sorted stays within that bound, too, instead of filling the disk.
  connection.pragma('temp_store = MEMORY')
  return connection
}

function answer(connection: Connection, request: QueryRequest): DescribedResult | null {
  switch (request.kind) {
    case 'query':
      return runQuery(connection, request.statement)
    case 'begin':
      beginSnapshot(connection)
      return null
    case 'end':
      connection.control('ROLLBACK')
      return null
  }
}

/** A query that wants too much memory is the query's failure, not the store's. */
function asQueryFailure(error: unknown): unknown {
  const isMemory = error instanceof MeridianError && error.details['engineCode'] === 'SQLITE_NOMEM'
  if (!isMemory) return error
  return new StatementFailed(0, 'other', 'it needs more memory than a query may have')
}

function start(path: string): void {
  const reply = (message: QueryReply): void => {
    process.send?.(message)
  }
  endWithParent()
  let connection: Connection
  try {
    connection = open(path)
  } catch (error) {
    reply({ error: toThreadError(error, path) })
    return
  }
  process.on('message', (request: QueryRequest) => {
    try {
      reply({ result: answer(connection, request) })
    } catch (error) {
      reply({ error: toThreadError(asQueryFailure(error), path) })
    }
  })
  reply({ result: null })
}

start(process.argv[2] ?? '')
