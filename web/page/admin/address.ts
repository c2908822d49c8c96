import { viewer } from "../../viewer.ts";

/** A browser on the hub's own machine, or one that reaches it through a tunnel. */
const local = /^(localhost|127\.[\d.]+|\[::1\])$/;

/** The hub's address as this browser reaches it, or as other machines do if they cannot use that; without a slash at the end. */
export function hubAddress(): string {
  const here = new URL(".", document.baseURI);
  const others = local.test(here.hostname) ? viewer.value?.url : undefined;
  return (others ?? here.href).replace(/\/$/, "");
}
