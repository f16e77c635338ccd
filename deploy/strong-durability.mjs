/**
 * Sets the namespace option `durability_mode: "strong"` of a sqld, so that a commit waits for the
 * disk, and ends. Run once at every start of the server; what is set already stays as it is.
 *
 *   node strong-durability.mjs http://127.0.0.1:9090 [NAMESPACE]
 */
const [address = 'http://127.0.0.1:9090', namespace = 'default'] = process.argv.slice(2)
const url = `${address}/v1/namespaces/${namespace}/config`
const WAIT_MS = 60_000
const PAUSE_MS = 500

async function readConfig() {
  const answer = await fetch(url)
  if (!answer.ok) throw new Error(`GET ${url} answers ${answer.status}: ${await answer.text()}`)
  return answer.json()
}

async function setStrong() {
  const config = await readConfig()
  if (config.durability_mode === 'strong') return
  // The server replaces the whole of it: what is not sent back is lost.
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...config, durability_mode: 'strong' }),
  })
  if (!answer.ok) throw new Error(`POST ${url} answers ${answer.status}: ${await answer.text()}`)
  const { durability_mode: mode } = await readConfig()
  if (mode !== 'strong') throw new Error(`The server kept durability_mode at ${mode}.`)
}

const endMs = Date.now() + WAIT_MS
for (;;) {
  try {
    await setStrong()
    console.log(`${namespace}: durability_mode is strong`)
    break
  } catch (error) {
    if (Date.now() > endMs) throw error
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}
