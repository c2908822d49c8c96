const quietMs = 60_000;
/** Addresses that are remembered: a scan from many addresses must not fill the memory. */
const mostAddresses = 1000;

/**
 * Limits log lines to one per address and minute, or per other text that others cause; the next line has the number left out.
 * @param what Text before the address.
 */
export function rateLimited(
  log: (line: string) => void,
  ticks: () => number,
  what = "Reject:",
): (address: string | undefined) => void {
  const logged = new Map<string, { at: number; omitted: number }>();
  return (peer) => {
    const address = peer?.replace(/^::ffff:(?=\d+\.)/, "") ?? "unknown";
    const now = ticks();
    const last = logged.get(address);
    if (last !== undefined && now - last.at < quietMs) {
      last.omitted++;
      return;
    }
    const more = last && last.omitted > 0 ? ` (${last.omitted} more since the last time)` : "";
    log(`${what} ${address}${more}`);
    logged.delete(address);
    logged.set(address, { at: now, omitted: 0 });
    const oldest = logged.keys().next();
    if (logged.size > mostAddresses && !oldest.done) logged.delete(oldest.value);
  };
}
