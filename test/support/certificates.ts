/** Self-signed certificates, made anew for each run: none is kept, so none expires or leaks. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM texts. The certificate is its own authority. */
export interface SelfSigned {
  readonly certificate: string
  readonly key: string
}

/** A certificate for the loopback interface, valid for a day. */
export function selfSignedCertificate(): SelfSigned {
  const folder = mkdtempSync(join(tmpdir(), 'meridian-certificate-'))
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')]
  try {
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
        ...['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
        ...['-days', '1', '-keyout', key, '-out', certificate],
      ],
      { stdio: 'pipe' },
    )
    return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
