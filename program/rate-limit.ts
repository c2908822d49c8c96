const quietMs = 60_000;
/** Addresses whose last refusal is remembered; a scan from many addresses must not fill the memory. */
const addresses = 1000;

/** Logs once a minute and address that a connection was closed, and how many since the last time. */
export function refusals(
  log: (line: string) => void,
  ticks: () => number,
  what = "Reject:",
): (address: string | undefined) => void {
  const seen = new Map<string, { at: number; silent: number }>();
  return (peer) => {
    const address = peer?.replace(/^::ffff:(?=\d+\.)/, "") ?? "unknown";
    const now = ticks();
    const held = seen.get(address);
    if (held !== undefined && now - held.at < quietMs) {
      held.silent++;
      return;
    }
    const more = held && held.silent > 0 ? ` (${held.silent} more since the last time)` : "";
    log(`${what} ${address}${more}`);
    seen.delete(address);
    seen.set(address, { at: now, silent: 0 });
    const oldest = seen.keys().next();
    if (seen.size > addresses && !oldest.done) seen.delete(oldest.value);
  };
}
