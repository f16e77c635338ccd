/** `meridian keygen`: a key pair for an issuer of tokens or for a node. */
import { writeFile } from 'node:fs/promises'
import { MeridianError } from '../../core/errors.ts'
import { generateKeyPair } from '../../drivers/auth/signing-keys.ts'
import { EXIT, type Command } from '../command.ts'
import type { Terminal } from '../terminal.ts'

const DESCRIPTION = `Makes an Ed25519 key pair, for an issuer of tokens or for a node.

The private key goes to the file of --out (readable by you alone; an existing file is left as it
is), or to standard output. Whoever has it can sign: keep it where secrets are kept.

  issuer of tokens  public key:  auth.issuers[].publicKey in meridian.yaml
                    private key: with whoever signs tokens (meridian token --key FILE)
  node              public key:  nodes.<region>.publicKey in the meridian.yaml of every node
                    private key: auth.nodeKey, as { file: FILE } or { env: NAME }`

/** The command. */
export const keygenCommand: Command = {
  description: DESCRIPTION,
  options: {
    out: {
      type: 'string',
      placeholder: 'FILE',
      summary: 'Write the private key to this new file (mode 0600) instead of standard output.',
    },
    jwk: {
      type: 'boolean',
      summary: 'Write it as a JSON Web Key on one line, for an environment variable. Default: PEM.',
    },
    json: { type: 'boolean', summary: 'Print both keys, or the file and the public key, as JSON.' },
  },
  async run(given, terminal) {
    const pair = generateKeyPair()
    const privateKey = given['jwk'] === true ? `${pair.privateKeyJwk}\n` : pair.privateKeyPem
    const file = typeof given['out'] === 'string' ? given['out'] : undefined
    if (file !== undefined) await writeSecret(file, privateKey)
    const kept = file === undefined ? { privateKey: privateKey.trimEnd() } : { file }
    if (given['json'] === true) {
      terminal.line(JSON.stringify({ publicKey: pair.publicKey, ...kept }, null, 2))
    } else {
      print(terminal, pair.publicKey, privateKey, file)
    }
    return EXIT.ok
  },
}

/** Standard output has what can be piped on: the private key, or else the public one. */
function print(
  terminal: Terminal,
  publicKey: string,
  privateKey: string,
  file: string | undefined,
): void {
  if (file === undefined) {
    terminal.line(privateKey.trimEnd())
    terminal.note(`Public key: ${publicKey}`)
    return
  }
  terminal.line(publicKey)
  terminal.note(`The private key is in ${file}. Public key for meridian.yaml: the line above.`)
  terminal.note('Run `meridian keygen --help` for where each of them goes.')
}

/** An existing file is never replaced: a lost private key cannot be had again. */
async function writeSecret(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, text, { mode: 0o600, flag: 'wx' })
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST'
    throw new MeridianError(
      'INVALID_ARGUMENT',
      exists ? `The file ${path} exists already.` : `The file ${path} cannot be written.`,
      { fix: exists ? 'Name another one.' : 'Check that its folder exists.', cause: error },
    )
  }
}
