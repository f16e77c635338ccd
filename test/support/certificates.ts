/** Self-signed certificates, made anew for each run: none is kept, so none expires or leaks. */
import { generate } from 'selfsigned'

/** PEM texts. The certificate is its own authority. */
export interface SelfSigned {
  readonly certificate: string
  readonly key: string
}

const DAY_MS = 86_400_000
/** Subject alternative names (RFC 5280): a DNS name, an IP address. */
const ALTERNATIVE_NAMES = [
  { type: 2, value: 'localhost' },
  { type: 7, ip: '127.0.0.1' },
] as const

/** A certificate for the loopback interface, valid for a day. */
export async function selfSignedCertificate(): Promise<SelfSigned> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    curve: 'P-256',
    notAfterDate: new Date(Date.now() + DAY_MS),
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [...ALTERNATIVE_NAMES] },
    ],
  })
  return { certificate: cert, key }
}
