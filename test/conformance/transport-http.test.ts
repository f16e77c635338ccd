import { selfSignedCertificate } from '../support/certificates.ts'
import { openHttpRegions } from './support/http-regions.ts'
import { describeTransportSuite } from './transport-suite.ts'

const tls = await selfSignedCertificate()

describeTransportSuite('HTTP network', async () => (await openHttpRegions()).network)
describeTransportSuite(
  'HTTP network over TLS',
  async () => (await openHttpRegions({ tls })).network,
)
