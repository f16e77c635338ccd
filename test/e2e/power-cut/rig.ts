/**
 * Cuts the power of a region under load, again and again, and looks whether what it acknowledged is
 * there. A disk lives through several cuts; after one that lost something the next disk is new.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { seededRandom, type SeededRandom } from '../../../src/core/seeded-random.ts'
import { Deployment, prepare, type DeploymentOptions } from './deployment.ts'
import { checkFiles } from './file-check.ts'
import { Journal, MODES, type Mode } from './journal.ts'
import { Load, repeatOpen } from './load.ts'
import { LoopDisk, proveCut } from './loop-disk.ts'
import { readBack } from './read-back.ts'
import type { NotesDatabase } from './schema.ts'
import { judge, type Verdict } from './verdict.ts'

/** How it runs. */
export interface RigOptions extends Pick<DeploymentOptions, 'log' | 'synchronous'> {
  /** Holds the disks' images and all that is not on them. */
  readonly folder: string
  readonly cuts: number
  /** How much is written, and what; when the power is cut, as far as the machine's load allows. */
  readonly seed: number
  readonly onCut: (report: CutReport) => void
}

/** What one cut did. */
export interface CutReport {
  /** From 1. */
  readonly cut: number
  /** Whether the disk was new. */
  readonly isNewDisk: boolean
  /** Of the writes that must be there, those that were acknowledged since the cut before. */
  readonly newlyAcknowledged: Readonly<Record<Mode, number>>
  /** As the region was when it served again. None: it did not. */
  readonly verdicts: readonly Verdict[]
  /** What else went wrong, in words. */
  readonly failures: readonly string[]
  readonly isGood: boolean
}

/** Writes of each mode before a cut, at least, and the span of more. */
const MIN_WRITES = 25
const MORE_WRITES = 60
/** The cut comes at any moment of a commit. */
const MAX_PHASE_MS = 20
/** Answers that were on their way when the node ended. */
const LAST_ANSWERS_MS = 50
const NEW_DISK_ONE_IN = 5

/** A disk with what runs on it. */
interface Site {
  readonly disk: LoopDisk
  readonly deployment: Deployment
  readonly journal: Journal
  /** Acknowledged writes that were looked for already. */
  readonly checked: Map<Mode, number>
}

/** Shows that a cut loses what was not forced to the disk, on a disk of its own. @throws Error */
export async function proveRig(folder: string): Promise<void> {
  const disk = await LoopDisk.make(folder)
  try {
    await proveCut(disk)
  } finally {
    await disk.remove()
  }
}

/** Cuts so often. */
export async function runCuts(options: RigOptions): Promise<readonly CutReport[]> {
  const random = seededRandom(options.seed)
  const reports: CutReport[] = []
  let site: Site | undefined
  for (let cut = 1; cut <= options.cuts; cut++) {
    const isNewDisk = site === undefined
    site ??= await openSite(options, cut)
    const report = { cut, isNewDisk, ...(await cutOnce(site, random)) }
    reports.push(report)
    options.onCut(report)
    const isLast = cut === options.cuts
    if (isLast || !report.isGood || random.below(NEW_DISK_ONE_IN) === 0) {
      await closeSite(site)
      site = undefined
    }
  }
  return reports
}

async function openSite(options: RigOptions, number: number): Promise<Site> {
  const { folder, log, synchronous, seed } = options
  const disk = await LoopDisk.make(folder)
  const deployment = await Deployment.open({
    folder: join(folder, `outside-${number}`),
    disk: disk.path,
    log,
    synchronous,
  })
  const journal = new Journal(seed + number)
  await withClient(deployment, prepare)
  return { disk, deployment, journal, checked: new Map() }
}

async function closeSite({ deployment, disk }: Site): Promise<void> {
  await deployment.kill()
  await disk.remove()
}

async function cutOnce(
  site: Site,
  random: SeededRandom,
): Promise<Omit<CutReport, 'cut' | 'isNewDisk'>> {
  const { disk, deployment, journal, checked } = site
  await withClient(deployment, async (db) => {
    const load = new Load(db, journal)
    await load.further(MIN_WRITES + random.below(MORE_WRITES))
    await pause(random.below(MAX_PHASE_MS))
    load.allowFailures()
    // First the processes: an fsync that is under way while ext4 is shut down may say that it has
    // succeeded although the data are gone (seen on Linux 6.18, without any database). With the
    // power gone nobody hears that; a process that still ran would acknowledge a write by it.
    await deployment.freeze()
    await disk.cut()
    await deployment.kill()
    await pause(LAST_ANSWERS_MS)
    await load.end()
  })
  const news = MODES.map((mode) => {
    const before = checked.get(mode) ?? 0
    checked.set(mode, journal.acknowledged(mode).size)
    return [mode, journal.acknowledged(mode).size - before] as const
  })
  const newlyAcknowledged = Object.fromEntries(news) as Record<Mode, number>
  await disk.restore()
  const verdicts: Verdict[] = []
  const failures: string[] = []
  try {
    failures.push(...(await deployment.start()))
    await withClient(deployment, async (db) => {
      verdicts.push(...(await lookAt(db, journal)))
      if (failures.length > 0 || !verdicts.every(({ isGood }) => isGood)) return
      await repeatOpen(db, journal)
      failures.push(...repeatedWrongly(await lookAt(db, journal)))
    })
    failures.push(...(await checkFiles(join(disk.path, 'data'))))
  } catch (error) {
    failures.push((error as Error).message)
  }
  const isGood = failures.length === 0 && verdicts.every((verdict) => verdict.isGood)
  return { newlyAcknowledged, verdicts, failures, isGood }
}

async function lookAt(db: NotesDatabase, journal: Journal): Promise<readonly Verdict[]> {
  const verdicts: Verdict[] = []
  for (const mode of MODES) verdicts.push(judge(mode, journal, await readBack(db, mode)))
  return verdicts
}

/** Every write is acknowledged now, so each must be there, and counted once. */
function repeatedWrongly(verdicts: readonly Verdict[]): readonly string[] {
  return verdicts
    .filter(({ isGood }) => !isGood)
    .map(({ mode, lost, halfWritten, problems }) => {
      const counts = `${lost.length} lost, ${halfWritten.length} half-written`
      return `${mode}, after repeating writes of unknown outcome: ${[counts, ...problems].join('; ')}`
    })
}

async function withClient(
  deployment: Deployment,
  work: (db: NotesDatabase) => Promise<void>,
): Promise<void> {
  const db = await deployment.connect()
  try {
    await work(db)
  } finally {
    await db.close()
  }
}
