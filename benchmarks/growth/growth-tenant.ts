/** Tenants that growth is measured with. */
import { isErrorCode } from '../../src/client/index.ts'
import type { BenchDatabase } from '../workloads/schema.ts'

/** A tenant to make. */
export interface NewTenant {
  readonly id: string
  readonly home: string
  readonly tenantClass?: string
}

/** Creates a tenant, unless a run before has. */
export async function createTenant(db: BenchDatabase, tenant: NewTenant): Promise<void> {
  try {
    await db.tenants.create(tenant)
  } catch (error) {
    if (!isErrorCode(error, 'TENANT_EXISTS')) throw error
  }
}
