import ipaddr from "ipaddr.js";

/** IPv6 addresses that are given out; what is outside is for special uses, or not for anything yet. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");

/**
 * What kind of address it is that a request from outside must not make this process connect to, e.g.
 * `loopback`, `private`, `linkLocal`; undefined for one of the public Internet. What stands for an IPv4 address
 * in IPv6 (mapped, translated, tunnelled) is refused whatever it stands for, mapped ones excepted, which are
 * taken for what they are.
 *
 * @param address An IPv4 or IPv6 address as text; anything else is refused too.
 */
export function refusedRange(address: string): string | undefined {
  if (!ipaddr.isValid(address)) return "not an address";
  const parsed = ipaddr.process(address);
  const range = parsed.range();
  if (range !== "unicast") return range;
  return parsed instanceof ipaddr.IPv6 && !parsed.match(globalUnicast) ? "not public" : undefined;
}
