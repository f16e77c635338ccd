/** Arithmetic in GF(2^128) as CMAC has it (NIST SP 800-38B), for key derivation in ciphers. */

const BLOCK_BYTES = 16

/** Doubles a block of 16 bytes: without a branch on secret bits. */
export function doubleBlock(block: Uint8Array): Uint8Array {
  const result = new Uint8Array(BLOCK_BYTES)
  let carry = 0
  for (let i = BLOCK_BYTES - 1; i >= 0; i--) {
    const byte = block[i] as number
    result[i] = (byte << 1) | carry
    carry = byte >>> 7
  }
  result[BLOCK_BYTES - 1] = (result[BLOCK_BYTES - 1] as number) ^ (0x87 * carry)
  return result
}
