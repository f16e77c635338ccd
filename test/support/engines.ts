/** The engines that all files of test/engines share: names in them must be a test's own. */
import { inject } from 'vitest'
import type { ProvidedEngines } from '../engines/support/global-setup.ts'

/** Where they are. */
export interface Engines {
  readonly etcd: { readonly endpoint: string }
  readonly kafka: { readonly broker: string }
  readonly redis: { readonly address: string }
}

/** Where the shared engines are. Those that a file needs are there: else it would not run. */
export function engines(): Engines {
  const { addresses }: ProvidedEngines = inject('engines')
  return {
    etcd: { endpoint: addresses['etcd'] ?? '' },
    kafka: { broker: addresses['kafka'] ?? '' },
    redis: { address: addresses['redis'] ?? '' },
  }
}
