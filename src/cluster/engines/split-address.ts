/** The parts of `host:port`, as programs and clients take them. */
export function splitAddress(address: string): { readonly host: string; readonly port: string } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at), port: address.slice(at + 1) }
}
