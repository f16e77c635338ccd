/** Checks of residency: what may not be in a region is not there, and cannot be had from there. */
import { increment } from '../../../client/index.ts'
import { RESTRICTED_TENANT } from '../prepare.ts'
import { count, expectError, refute, type Check, type CheckContext } from './check.ts'
import { scanFiles } from './file-scan.ts'

const ALLOWED = 'eu-west'
const ROWS = 20

const noByte: Check = {
  name: 'forbidden regions hold no byte of the restricted tenant',
  async run(context) {
    const canary = `canary-${context.run}`
    await plantCanaries(context, canary)
    const { session } = context
    await session.running.settle()
    await session.running.writeAll?.()
    const texts = [RESTRICTED_TENANT, canary]
    const control = await scanFiles(session.running.foldersOf(ALLOWED), texts)
    for (const text of texts) {
      // Were it not found where it is, the scan would prove nothing.
      if (control.found.get(text)?.length === 0) refute(`the scan does not find it in ${ALLOWED}`)
    }
    let files = 0
    for (const region of forbidden(context)) {
      const scan = await scanFiles(session.running.foldersOf(region), texts)
      files += scan.files
      for (const [, paths] of scan.found) {
        if (paths.length > 0) refute(`${region} holds it in ${paths.join(', ')}`)
      }
    }
    return (
      `${count(ROWS * 3, 'row')} with a canary are in ${ALLOWED}; ` +
      `neither it nor the tenant's id is in ${count(files, 'file')} of ${forbidden(context).join(', ')}`
    )
  },
}

async function plantCanaries({ session, run }: CheckContext, canary: string): Promise<void> {
  const tenant = session.db(ALLOWED).tenant(RESTRICTED_TENANT)
  const numbers = Array.from({ length: ROWS }, (_, i) => i)
  const ids = numbers.map((i) => `${run}-${i}`)
  await tenant.alerts.insertMany(ids.map((id, i) => ({ id, cityId: i, message: canary })))
  await tenant.residents.insertMany(
    ids.map((id) => ({ id: `${canary}-${id}`, cityId: 0, name: canary, email: canary })),
  )
  for (const cityId of numbers) {
    await tenant.cityNotes.upsert({ cityId, title: canary, tags: [canary], story: canary })
  }
  await tenant.cityNotes.update(0, { rating: increment(1) })
}

const denied: Check = {
  name: 'reads and writes from a forbidden region get RESIDENCY_DENIED',
  async run(context) {
    let calls = 0
    for (const region of forbidden(context)) {
      const tenant = context.session.db(region).tenant(RESTRICTED_TENANT)
      const attempts: Readonly<Record<string, () => Promise<unknown>>> = {
        'a read of a pinned row': () => tenant.alerts.get('0'),
        'a read at home': () => tenant.alerts.get('0', { consistency: 'strong' }),
        'a read of an eventual row': () => tenant.cityNotes.get(0),
        'a query': () => tenant.query((q) => q.selectFrom('alerts').selectAll()),
        'a write of a pinned row': () => tenant.alerts.delete('0'),
        'a write of an eventual row': () => tenant.cityNotes.update(0, { rating: increment(1) }),
      }
      for (const [what, attempt] of Object.entries(attempts)) {
        await expectError('RESIDENCY_DENIED', `${region}: ${what}`, attempt)
        calls++
      }
    }
    const { alerts } = context.session.db(ALLOWED).tenant(RESTRICTED_TENANT)
    if ((await alerts.list()).rows.length === 0) refute(`${ALLOWED} cannot read it either`)
    return `${count(calls, 'call')} from ${forbidden(context).join(', ')}; ${ALLOWED} reads it`
  },
}

function forbidden({ session }: CheckContext): readonly string[] {
  return session.regions.filter((region) => region !== ALLOWED)
}

export const RESIDENCY_CHECKS: readonly Check[] = [noByte, denied]
