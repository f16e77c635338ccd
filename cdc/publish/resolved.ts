/** Tells every partition of every table's topic how far everything was sent. */
import type { Topics } from '../../src/core/ports/topics.ts'
import { encodeResolved, resolvedHeaders, type EnvelopeOptions } from './envelope.ts'
import type { Published } from './publish-state.ts'
import type { TableTopics } from './table-topics.ts'

/** `published`: everything up to there was acknowledged before this was called. */
export async function sendResolved(
  options: EnvelopeOptions & { readonly topics: Topics },
  tableTopics: TableTopics,
  { position, hlc, previous }: Published,
  nowMs: number,
): Promise<void> {
  const value = encodeResolved(options, position, hlc)
  const sends = tableTopics.names.map(async (topic) => {
    const seqs = previous.get(topic)
    const records = Array.from({ length: tableTopics.partitions }, (_, partition) => ({
      key: null,
      value,
      headers: resolvedHeaders(options, position, seqs?.[partition] ?? 0),
      partition,
      timestampMs: nowMs,
    }))
    try {
      await options.topics.send(topic, records)
    } catch (error) {
      tableTopics.suspect(topic)
      throw error
    }
  })
  const outcomes = await Promise.allSettled(sends)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
