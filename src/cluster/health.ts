/** How the parts of a cluster stand: each is asked as a client would, and the time is taken. */
import { MeridianError } from '../core/errors.ts'
import { READY_PATH, STATUS_PATH } from '../core/wire-http.ts'
import type { RegionPart } from './layout.ts'

/** What is asked. */
export interface HealthTarget {
  readonly region: string
  readonly kind: RegionPart | 'node'
  readonly name: string
  /** `host:port`, or a URL. */
  readonly address: string
  readonly version: string
  /** Its process. */
  readonly pid: () => number
  /** Resolves to what is worth saying besides that it is well; rejects with what is wrong. */
  probe(): Promise<{ readonly version?: string | undefined }>
}

/** What came of it. */
export interface PartHealth {
  readonly region: string
  readonly kind: RegionPart | 'node'
  readonly name: string
  readonly address: string
  readonly pid: number
  readonly healthy: boolean
  /** What is wrong; empty where nothing is. */
  readonly problem: string
  readonly version: string
  /** How long the answer took. */
  readonly latencyMs: number
}

const TIMEOUT_MS = 10_000

/** In this order a region's parts are shown. */
const ORDER: readonly HealthTarget['kind'][] = ['etcd', 'kafka', 'redis', 'store', 'node']

/**
 * Asks all, regions at once, the parts of a region one after the other, so that they do not wait for
 * each other's answers. Never rejects.
 */
export async function healthOf(targets: readonly HealthTarget[]): Promise<readonly PartHealth[]> {
  const regions = [...new Set(targets.map(({ region }) => region))]
  const answers = await Promise.all(
    regions.map(async (region) => {
      const ofRegion = targets
        .filter((target) => target.region === region)
        .sort((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind))
      const all: PartHealth[] = []
      for (const target of ofRegion) all.push(await ask(target))
      return all
    }),
  )
  return answers.flat()
}

async function ask(asked: HealthTarget): Promise<PartHealth> {
  const { region, kind, name, address } = asked
  const pid = asked.pid()
  const target = { region, kind, name, address, pid, version: asked.version }
  const startedAtMs = performance.now()
  try {
    const { version = target.version } = await asked.probe()
    const latencyMs = performance.now() - startedAtMs
    return { ...target, version, healthy: true, problem: '', latencyMs }
  } catch (error) {
    const latencyMs = performance.now() - startedAtMs
    return { ...target, healthy: false, problem: (error as Error).message, latencyMs }
  }
}

/** Asks for a page; `check` looks at the text. */
export async function requirePage(
  url: string,
  check: (text: string) => void = () => undefined,
): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  const text = await response.text()
  if (!response.ok) throw unhealthy(`it answers ${response.status}`)
  check(text)
}

/** A node is well when it is ready. @throws MeridianError with what it waits for */
export async function requireReady(url: string, token: string): Promise<{ version: string }> {
  const response = await fetch(`${url}${READY_PATH}`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  const { checks } = (await response.json()) as {
    checks?: readonly { name: string; ok: boolean; waitsFor?: string }[]
  }
  const waiting = (checks ?? [])
    .filter((check) => !check.ok)
    .map(({ name, waitsFor }) => `${name} waits for ${waitsFor ?? 'its turn'}`)
  if (!response.ok) throw unhealthy(waiting.join('; ') || `it answers ${response.status}`)
  const status = await fetch(`${url}${STATUS_PATH}`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  return (await status.json()) as { version: string }
}

function unhealthy(problem: string): MeridianError {
  return new MeridianError('REGION_UNREACHABLE', problem)
}
