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

async function checkAddress(text: string, rules: AddressRules): Promise<void> {
  const refuse = (why: string) => fail("cell-address-refused", `${text.slice(0, 200)} ${why}.`);
  if (!URL.canParse(text)) throw refuse("is no URL");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("is neither http nor https");
  if (url.href !== `${url.origin}/`) throw refuse("is more than an origin: scheme, host and port");
  const { problem } = await whereTo(url, rules);
  if (problem !== null) throw refuse(problem);
}

/** The addresses that a URL's host leads to, and why nobody may be sent there; null where one may. */
export async function whereTo(
  url: URL,
  { policy, own, resolve = fromSystem }: AddressRules,
): Promise<{ readonly addresses: readonly string[]; readonly problem: string | null }> {
  if (own().some((origin) => new URL(origin).origin === url.origin))
    return { addresses: [], problem: "is the control plane itself" };
  const host = url.hostname.replace(/^\[|\]$/g, "");
  let addresses: readonly string[];
  try {
    addresses = isIP(host) === 0 ? await resolve(host) : [host];
  } catch {
    // A name that leads nowhere is refused as one that leads to the wrong place.
    return { addresses: [], problem: "has a name that cannot be resolved" };
  }
  const forbidden = addresses.find((address) => !policy.allows(address));
  return { addresses, problem: forbidden === undefined ? null : `leads to ${forbidden}, where nobody is sent` };
}
