import { lookup as systemLookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** What nobody's server has as its address: none, this network's own link (where clouds keep their metadata), many at once, reserved. */
const never = new BlockList();
for (const [network, prefix] of [
  ["0.0.0.0", 8],
  ["169.254.0.0", 16],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
] as const)
  never.addSubnet(network, prefix, "ipv4");
// NAT64 (64:ff9b::/96, RFC 6052) and 6to4 (2002::/16, RFC 3056) hide any IPv4 address in one of IPv6.
for (const [network, prefix] of [
  ["::", 128],
  ["64:ff9b::", 96],
  ["2002::", 16],
  ["fe80::", 10],
  ["ff00::", 8],
] as const)
  never.addSubnet(network, prefix, "ipv6");
// Metadata services outside of the link's own network: Alibaba Cloud, AWS by IPv6.
never.addAddress("100.100.100.200", "ipv4");
never.addAddress("fd00:ec2::254", "ipv6");

const loopback = new BlockList();
loopback.addSubnet("127.0.0.0", 8, "ipv4");
loopback.addAddress("::1", "ipv6");

/** Whether the address is this machine's own. */
export function isLoopback(address: string): boolean {
  return isIn(loopback, address);
}

/** Which addresses a part may connect to when somebody else told it where. */
export class AddressPolicy {
  readonly #loopback: boolean;

  /** @param options.loopback whether others run on this machine. */
  constructor(options: { readonly loopback: boolean }) {
    this.#loopback = options.loopback;
  }

  /** @param address an IP address, of either kind; IPv4 within IPv6 counts as what it is. */
  allows(address: string): boolean {
    if (isIP(address) === 0 || isIn(never, address)) return false;
    return this.#loopback || !isLoopback(address);
  }

  /**
   * Resolves names as the system does, and gives only addresses that are allowed: a name that was harmless when it was checked may be another today
   * (DNS rebinding). The connection goes to the very address that was checked.
   */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    systemLookup(hostname, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const allowed = found.filter(({ address }) => this.allows(address));
      const [first] = allowed;
      if (first === undefined) return callback(forbidden(hostname), []);
      if (options.all === true) callback(null, allowed);
      else callback(null, first.address, first.family);
    });
  };
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");
}

function forbidden(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} leads to an address that is not to be connected to`), {
    code: "EADDRFORBIDDEN",
  });
}
