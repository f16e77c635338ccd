/** The write path of a node: one transaction, one mode, one tenant or the global scope. */
import { MeridianError } from '../core/errors.ts'
import { MAX_OPERATIONS } from '../core/limits.ts'
import type { TransactionRequest, TransactionResult } from '../core/operations.ts'
import type { CompiledSchema, CompiledTable, Consistency } from '../schema/compiled.ts'
import type { TenantEntry } from '../tenancy/directory-machine.ts'
import type { Residency } from '../tenancy/residency.ts'
import type { Engines } from './engines.ts'

/** What commits. */
export interface CommitParts {
  readonly region: string
  readonly schema: CompiledSchema
  readonly residency: Residency
  readonly engines: Engines['byMode']
}

/** A committed transaction and the mode it ran in. */
export interface Committed {
  readonly mode: Consistency
  readonly result: TransactionResult
}

export class Commits {
  readonly #parts: CommitParts

  constructor(parts: CommitParts) {
    this.#parts = parts
  }

  /**
   * Commits a transaction here. `tenant` is the directory's entry, undefined for global tables.
   *
   * @throws MeridianError `MODE_MISMATCH`, `UNKNOWN_TABLE`, `TENANT_REQUIRED`, `RESIDENCY_DENIED`,
   * `TRANSACTION_TOO_LARGE` and what the engine says
   */
  async commit(
    request: TransactionRequest,
    tenant: TenantEntry | undefined,
    timeoutMs: number,
  ): Promise<Committed> {
    requireSize(request)
    const mode = this.#mode(request)
    // The strong engine asks for itself: its rows are in every region.
    if (tenant !== undefined && mode !== 'strong') this.#requireResidency(tenant)
    return { mode, result: await this.#parts.engines[mode].commit(request, { timeoutMs }) }
  }

  #mode(request: TransactionRequest): Consistency {
    let mode: Consistency | undefined
    for (const { table: id } of [...request.ops, ...request.reads]) {
      const table = this.#parts.schema.tableById.get(id)
      if (table === undefined) {
        throw new MeridianError('UNKNOWN_TABLE', `There is no table with id ${id} here.`)
      }
      requireScope(table, request.tenant)
      mode ??= table.consistency
      if (table.consistency === mode) continue
      throw new MeridianError(
        'MODE_MISMATCH',
        `A transaction cannot touch ${mode} and ${table.consistency} tables at once.`,
        { fix: 'Use one transaction a mode.' },
      )
    }
    if (mode !== undefined) return mode
    throw new MeridianError('INVALID_ARGUMENT', 'The transaction neither reads nor writes.')
  }

  #requireResidency(tenant: TenantEntry): void {
    const { residency, region } = this.#parts
    if (residency.allows(tenant.tenantClass, region)) return
    throw new MeridianError(
      'RESIDENCY_DENIED',
      `Region ${region} may not hold tenants of class '${tenant.tenantClass}'.`,
      { fix: `Write from: ${residency.allowedRegions(tenant.tenantClass).join(', ')}.` },
    )
  }
}

/** @throws MeridianError `TENANT_REQUIRED`, `INVALID_ARGUMENT` when tenant and scope do not fit */
function requireScope(table: CompiledTable, tenant: string): void {
  if (table.scope === 'tenant' && tenant === '') {
    throw new MeridianError('TENANT_REQUIRED', `Table '${table.name}' belongs to tenants.`, {
      fix: `Use \`db.tenant(id).${table.name}\`.`,
    })
  }
  if (table.scope === 'global' && tenant !== '') {
    throw new MeridianError('INVALID_ARGUMENT', `Table '${table.name}' is global.`, {
      fix: `Use \`db.${table.name}\`.`,
    })
  }
}

/** Clients count by themselves; whoever else sends a message is not to keep all others waiting. */
function requireSize({ reads, ops }: TransactionRequest): void {
  let size = reads.length
  for (const op of ops) size += 'rows' in op ? op.rows.length : 1
  if (size <= MAX_OPERATIONS) return
  throw new MeridianError(
    'TRANSACTION_TOO_LARGE',
    `The transaction has ${size} reads and rows; ${MAX_OPERATIONS} are allowed.`,
    { fix: 'Split it.' },
  )
}
