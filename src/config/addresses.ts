/** Host names and addresses, as configurations name them. */

/** Whether a host name or address is this machine's own. */
export function isLoopbackHost(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare)
}

/** The host of `host:port`. */
export function hostOfAddress(address: string): string {
  return address.slice(0, address.lastIndexOf(':'))
}

/** The host of a URL that was checked before. */
export function hostOfUrl(url: string): string {
  return new URL(url).hostname
}
