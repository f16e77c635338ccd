/** `meridian strong status`. */
import { EXIT, type GivenOptions } from '../command.ts'
import type { Terminal } from '../terminal.ts'
import { askView, openOperator, readStrongDeployment } from './ask-deployment.ts'
import { printStrongView } from './print-view.ts'
import type { StrongView } from './strong-view.ts'

/** Asks, and prints. @throws MeridianError `INVALID_ARGUMENT`, `CONFIG_INVALID` */
export async function runStrongStatus(given: GivenOptions, terminal: Terminal): Promise<number> {
  const deployment = await readStrongDeployment(given)
  const { etcd } = deployment.config.commitLog
  const operator = etcd === null ? undefined : await openOperator(deployment, etcd)
  const view = await askView(deployment, operator, given).finally(() => operator?.close())
  if (given['json'] === true) terminal.line(JSON.stringify(view, null, 2))
  else printStrongView(view, terminal)
  return isWell(view) ? EXIT.ok : EXIT.failed
}

/** Whether everything answers, the log has a leader, and every group follows it. */
function isWell({ leader, members, groups, nodes, silentRegions }: StrongView): boolean {
  return (
    leader !== null &&
    silentRegions.length === 0 &&
    members.every(({ reachable, alarms = [] }) => reachable && alarms.length === 0) &&
    nodes.every(({ error }) => error === undefined) &&
    groups.every(
      ({ stopped, reseeding, logError, digests }) =>
        (stopped ?? reseeding ?? logError ?? digests?.differs ?? null) === null,
    )
  )
}
