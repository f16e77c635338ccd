import { test } from 'vitest'
import { schema } from '../../support/node-schema.ts'
import { layRegionNodes } from '../../support/region-nodes.ts'
test('x', async () => {
  const layout = await layRegionNodes(schema)
  await layout.start('single')
  const a = await layout.start('a')
  await a.ready()
  const t = performance.now()
  const w = layout.log.write.bind(layout.log)
  layout.log.write = (l, e, f) => { console.log(Math.round(performance.now() - t), e); w(l, e, f) }
  const closing = a.close()
  const iv = setInterval(() => console.log(Math.round(performance.now() - t), 'conns', a.status().connections, JSON.stringify(a.status().shared)), 300)
  await closing
  clearInterval(iv)
})
