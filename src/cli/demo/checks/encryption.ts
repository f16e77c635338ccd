/** Checks of encrypted columns: ciphertext in every file, plaintext through every client. */
import { sep } from 'node:path'
import { count, refute, type Check } from './check.ts'
import { scanFiles } from './file-scan.ts'

const encrypted: Check = {
  name: 'an encrypted value is ciphertext in every file and plaintext through the client',
  async run({ session, dataset, run }) {
    const { code, home, cities } = dataset.countries[0] ?? refute('there is no tenant')
    const id = `sealed-${run}`
    const name = `Ada Lovelace ${run}`
    const email = `ada-${run}@analytical.example`
    const row = { id, cityId: cities[0]?.id ?? 0, name, email }
    await session.db(home).tenant(code).residents.insert(row)
    await session.running.settle()
    await session.running.writeAll?.()
    for (const region of session.regions) {
      const { residents } = session.db(region).tenant(code)
      const read = await residents.get(id)
      if (read?.name !== name || read.email !== email) refute(`${region} reads other values`)
      const { rows } = await residents.list({ where: { email } })
      if (rows.length !== 1 || rows[0]?.id !== id) refute(`${region} does not find the e-mail`)
    }
    const { files, bytes, found } = await scanFiles([session.directory], [id, name, email])
    // The key of the row is not encrypted: were it not found, the scan would prove nothing.
    const holders = found.get(id) ?? []
    for (const region of session.regions) {
      const folders = session.running.foldersOf(region)
      const inStore = folders.some((folder) =>
        holders.some((path) => path.startsWith(folder + sep)),
      )
      if (!inStore) refute(`the scan does not even find the row's key in ${region}`)
    }
    for (const secret of [name, email]) {
      const leaks = found.get(secret) ?? []
      if (leaks.length > 0) refute(`plaintext in ${leaks.join(', ')}`)
    }
    return (
      `found by exact match in ${count(session.regions.length, 'region')}; ` +
      `no plaintext in ${count(files, 'file')} (${Math.round(bytes / 1e6)} MB)`
    )
  },
}

export const ENCRYPTION_CHECKS: readonly Check[] = [encrypted]
