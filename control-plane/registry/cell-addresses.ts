import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import type { RegisterCell } from "../../common/contracts/control-plane.ts";
import type { AddressPolicy } from "../../common/net/address-policy.ts";
import { fail } from "../errors.ts";

export interface AddressRules {
  readonly policy: AddressPolicy;
  /** Origins of this control plane itself. */
  readonly own: () => readonly string[];
  /** Addresses of a name; the system's unless given. */
  readonly resolve?: (hostname: string) => Promise<readonly string[]>;
}

const fromSystem = async (hostname: string): Promise<readonly string[]> =>
  (await lookup(hostname, { all: true })).map(({ address }) => address);

/**
 * Checks a cell's addresses before anybody is sent there with a token: plain origins, whose every address may be connected to. What a name leads to
 * later is checked again with each connection (AddressPolicy.lookup).
 * @throws cell-address-refused
 */
export async function checkCellAddresses({ slots }: Pick<RegisterCell, "slots">, rules: AddressRules): Promise<void> {
  const urls = new Set([slots.a, slots.b].flatMap(({ url, adminUrl, workerUrl }) => [url, adminUrl, workerUrl]));
  await Promise.all([...urls].map((url) => checkAddress(url, rules)));
}

async function checkAddress(text: string, { policy, own, resolve = fromSystem }: AddressRules): Promise<void> {
  const refuse = (why: string) => fail("cell-address-refused", `${text.slice(0, 200)} ${why}.`);
  if (!URL.canParse(text)) throw refuse("is no URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is neither http nor https");
  if (url.href !== `${url.origin}/`) throw refuse("is more than an origin: scheme, host and port");
  if (own().some((origin) => new URL(origin).origin === url.origin)) throw refuse("is the control plane itself");
  const host = url.hostname.replace(/^\[|\]$/g, "");
  for (const address of isIP(host) === 0 ? await addressesOf(host, resolve, refuse) : [host])
    if (!policy.allows(address)) throw refuse(`leads to ${address}, where no cell is`);
}

async function addressesOf(
  host: string,
  resolve: (hostname: string) => Promise<readonly string[]>,
  refuse: (why: string) => Error,
): Promise<readonly string[]> {
  try {
    return await resolve(host);
  } catch {
    // A name that leads nowhere is refused as one that leads to the wrong place.
    throw refuse("has a name that cannot be resolved");
  }
}
