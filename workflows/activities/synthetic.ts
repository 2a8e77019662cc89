import { createHmac } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Dispatcher } from "undici";
import { assertionLifeSeconds } from "../../common/contracts/assertion.ts";
import { internalHeaders } from "../../common/contracts/headers.ts";
import { sha256 } from "../../common/canonical.ts";
import type { Clock } from "../../common/clock.ts";
import type { Slot } from "../../common/contracts/lease.ts";
import type { JourneyStep } from "../../common/contracts/release.ts";
import type { CellId, ReleaseName, TenantId } from "../../common/ids.ts";
import { signToken } from "../../common/tokens.ts";
import { CellplaneError } from "../../common/errors.ts";
import { workflowError } from "../errors.ts";
import { stepsOf, type Step } from "./journey.ts";
import { answerLimit, type Identity, reach } from "./part-client.ts";
import type { RegistryPort, SyntheticTenant } from "./ports.ts";

export interface SyntheticOptions {
  readonly identity: Identity;
  readonly registry: RegistryPort;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  /** Where tenants reach a router, e.g. `http://127.0.0.1:8080`. */
  readonly routerUrl: string;
  /** How long one request of a journey may take, in milliseconds. */
  readonly timeoutMs: number;
}

/** What came of synthetic load. Failures are not errors here: the router counted them, and the judge decides. */
export interface LoadResult {
  readonly sent: number;
  readonly failed: number;
}

/** Traffic of a cell's synthetic tenant. */
export interface Synthetic {
  /** Makes the tenant's key valid; does nothing where it is. */
  ensureKey(cell: CellId): Promise<void>;
  /**
   * The release's journey straight at a slot, past the router, so that it is tried before it is live.
   * @throws smoke-failed naming the step.
   */
  journeyAtSlot(cell: CellId, slot: Slot, release: ReleaseName): Promise<void>;
  /** Journeys through the router until `requests` are sent, spread evenly over `overMs`. */
  load(cell: CellId, release: ReleaseName, requests: number, overMs: number): Promise<LoadResult>;
}

// A synthetic tenant may have 100 requests in flight; eight are enough for some hundred requests a second.
const loadersPerCell = 8;
/** Releases whose journeys are kept; a fleet runs two or three at a time. */
const mostJourneys = 50;

/** The API key of a cell's synthetic tenant. Derived, so that only its digest is ever stored. */
export function syntheticKey(identity: Identity, tenant: TenantId): string {
  const secret = identity.key.privateKey.export({ format: "der", type: "pkcs8" });
  return `cpk_${createHmac("sha256", secret).update(tenant).digest("base64url")}`;
}

export function createSynthetic(options: SyntheticOptions): Synthetic {
  async function assertionFor(cell: CellId, tenant: SyntheticTenant): Promise<string> {
    const now = Math.floor(options.clock.now() / 1000);
    const claims = {
      iss: options.identity.part,
      aud: cell,
      tenant: tenant.id,
      epoch: tenant.epoch,
      principal: options.identity.part,
      synthetic: true,
    };
    return await signToken(
      "cp-assertion",
      { ...claims, iat: now, exp: now + assertionLifeSeconds },
      options.identity.key,
    );
  }

  async function take(step: Step, origin: string, headers: Readonly<Record<string, string>>): Promise<number> {
    const content: Record<string, string> = step.body === undefined ? {} : { "content-type": "application/json" };
    const answer = await reach(options.dispatcher, {
      url: `${origin}${step.path}`,
      method: step.method,
      headers: { ...headers, ...content },
      timeoutMs: options.timeoutMs,
      answerLimit,
      ...(step.body === undefined ? {} : { body: step.body }),
    });
    return answer.status;
  }

  // A release never changes, so that its journey is read once.
  const journeys = new Map<ReleaseName, readonly JourneyStep[] | undefined>();
  async function journeyOf(release: ReleaseName): Promise<readonly JourneyStep[] | undefined> {
    if (!journeys.has(release)) {
      if (journeys.size === mostJourneys) journeys.clear();
      journeys.set(release, (await options.registry.release(release)).manifest.journey);
    }
    return journeys.get(release);
  }

  return {
    async ensureKey(cell) {
      const tenant = await options.registry.syntheticTenant(cell);
      await options.registry.ensureKey(tenant.id, sha256(syntheticKey(options.identity, tenant.id)));
    },

    async journeyAtSlot(cell, slot, release) {
      const [{ slots }, tenant, journey] = await Promise.all([
        options.registry.cell(cell),
        options.registry.syntheticTenant(cell),
        journeyOf(release),
      ]);
      const headers = { host: tenant.host, [internalHeaders.assertion]: await assertionFor(cell, tenant) };
      for (const step of stepsOf(journey, options.clock.now())) {
        const status = await take(step, slots[slot].url, headers);
        if (!step.passes(status))
          throw workflowError("smoke-failed", `Slot ${slot} of ${cell} answered ${status} to "${step.name}".`);
      }
    },

    async load(cell, release, requests, overMs) {
      const [tenant, journey] = await Promise.all([options.registry.syntheticTenant(cell), journeyOf(release)]);
      const headers = { host: tenant.host, authorization: `Bearer ${syntheticKey(options.identity, tenant.id)}` };
      const begin = options.clock.monotonic();
      let sent = 0;
      let failed = 0;

      async function loader(): Promise<void> {
        while (sent < requests) {
          for (const step of stepsOf(journey, options.clock.now())) {
            if (sent >= requests) return;
            const due = begin + (sent / requests) * overMs;
            sent += 1;
            await sleep(Math.max(0, due - options.clock.monotonic()));
            if (!(await passes(step))) failed += 1;
          }
        }
      }
      const passes = async (step: Step): Promise<boolean> => {
        try {
          return step.passes(await take(step, options.routerUrl, headers));
        } catch (error) {
          if (error instanceof CellplaneError) return false;
          throw error;
        }
      };
      await Promise.all(Array.from({ length: loadersPerCell }, loader));
      return { sent, failed };
    },
  };
}
