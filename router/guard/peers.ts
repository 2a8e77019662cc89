import { BlockList, isIP } from "node:net";

/** The proxies in front of the router whose X-Forwarded-* are believed. */
export class TrustedPeers {
  readonly #list = new BlockList();
  readonly #empty: boolean;

  /** @param ranges addresses or CIDR ranges. @throws TypeError for what is neither. */
  constructor(ranges: readonly string[]) {
    this.#empty = ranges.length === 0;
    for (const range of ranges) this.#add(range);
  }

  has(peer: string): boolean {
    if (this.#empty) return false;
    return this.#list.check(peer, isIP(peer) === 6 ? "ipv6" : "ipv4");
  }

  #add(range: string): void {
    const [address = "", bits] = range.split("/");
    const version = isIP(address);
    const most = version === 6 ? 128 : 32;
    if (version === 0 || (bits !== undefined && !(/^[0-9]{1,3}$/.test(bits) && Number(bits) <= most))) {
      throw new TypeError(`not an address or range: ${range}`);
    }
    this.#list.addSubnet(address, bits === undefined ? most : Number(bits), version === 6 ? "ipv6" : "ipv4");
  }
}
