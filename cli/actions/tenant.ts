import type {
  CreatedKey,
  CreatedTenant,
  CreateTenant,
  Tenant,
  TenantList,
} from "../../common/contracts/control-plane.ts";
import type { Answer, Context } from "../context.ts";
import type { ControlPlane } from "../control-plane.ts";
import { cliError } from "../errors.ts";
import { facts, table } from "../text.ts";

/** The API gives at most a thousand at once; a hundred thousand is what one control plane is made for. */
const pageSize = 1_000;
const mostPages = 100;

interface OneTenant {
  readonly slug: string;
}
interface TenantChange extends OneTenant {
  readonly reason?: string;
}

/** `tenant create`: the control plane answers when the tenant is served, or refuses with `cell-unreachable`; then the same call goes on. */
export async function createTenant(context: Context, input: CreateTenant): Promise<Answer> {
  const plane = await context.controlPlane();
  const body: CreateTenant = {
    slug: input.slug,
    tier: input.tier,
    ...(input.region === undefined ? {} : { region: input.region }),
  };
  const created = await plane.post<CreatedTenant>("/v1/tenants", body);
  const { urls } = await context.fleet();
  const text = [
    facts([
      ["tenant", created.slug],
      ["id", created.id],
      ["host", created.host],
      ["tier", created.tier],
      ["cell", created.cell],
      ["key", created.key],
    ]),
    "",
    "The key is shown this once.",
    "",
    `Why there:\n${created.explanation}`,
    "",
    `Try:\n  curl -s -H "Authorization: Bearer ${created.key}" http://${created.host}:${new URL(urls.router).port}/v1/stats`,
  ].join("\n");
  return { json: created, text };
}

/** `tenant list`; the cells' synthetic tenants are no customers and are a list of their own. */
export async function listTenants(context: Context, input: { readonly synthetic?: boolean }): Promise<Answer> {
  const plane = await context.controlPlane();
  const tenants = await readAllTenants(plane, input.synthetic === true);
  const rows = tenants.map((one) => [one.slug, one.tier, one.cell, one.state, one.region, one.host]);
  return { json: { tenants }, text: table(["TENANT", "TIER", "CELL", "STATE", "REGION", "HOST"], rows) };
}

async function readAllTenants(plane: ControlPlane, synthetic: boolean): Promise<Tenant[]> {
  const all: Tenant[] = [];
  for (let page = 0; page < mostPages; page++) {
    const last = all.at(-1);
    const after = last === undefined ? "" : `&after=${last.slug}`;
    const { tenants } = await plane.get<TenantList>(`/v1/tenants?limit=${pageSize}&synthetic=${synthetic}${after}`);
    all.push(...tenants);
    if (tenants.length < pageSize) return all;
  }
  throw cliError("unexpected-answer", `There are more than ${pageSize * mostPages} tenants; ask the API page by page.`);
}

/** `tenant show` */
export async function showTenant(context: Context, input: OneTenant): Promise<Answer> {
  const plane = await context.controlPlane();
  return tenantAnswer(await plane.get<Tenant>(pathOf(input.slug)));
}

/** `tenant suspend` */
export async function suspendTenant(context: Context, input: TenantChange): Promise<Answer> {
  return await change(context, input, "suspend");
}

/** `tenant resume` */
export async function resumeTenant(context: Context, input: TenantChange): Promise<Answer> {
  return await change(context, input, "resume");
}

/** `key create` */
export async function createKey(context: Context, input: OneTenant): Promise<Answer> {
  const plane = await context.controlPlane();
  const created = await plane.post<CreatedKey>(`${pathOf(input.slug)}/keys`);
  return {
    json: created,
    text: `${facts([
      ["id", created.id],
      ["key", created.key],
    ])}\n\nThe key is shown this once.`,
  };
}

/** `key revoke` */
export async function revokeKey(context: Context, input: OneTenant & { readonly id: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  await plane.delete<unknown>(`${pathOf(input.slug)}/keys/${encodeURIComponent(input.id)}`);
  return { json: { id: input.id, revoked: true }, text: `${input.id} is worth nothing any more.` };
}

/** `place explain` */
export async function explainPlacement(context: Context, input: { readonly tenant: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const answer = await plane.get<{ readonly explanation: string }>(`${pathOf(input.tenant)}/placement`);
  return { json: answer, text: answer.explanation };
}

async function change(context: Context, input: TenantChange, verb: "suspend" | "resume"): Promise<Answer> {
  const plane = await context.controlPlane();
  const body = input.reason === undefined ? {} : { reason: input.reason };
  return tenantAnswer(await plane.post<Tenant>(`${pathOf(input.slug)}/${verb}`, body));
}

function pathOf(slug: string): string {
  return `/v1/tenants/${encodeURIComponent(slug)}`;
}

function tenantAnswer(tenant: Tenant): Answer {
  const { limits } = tenant;
  const text = facts([
    ["tenant", tenant.slug],
    ["id", tenant.id],
    ["host", tenant.host],
    ["tier", tenant.tier],
    ["cell", tenant.cell],
    ["epoch", tenant.epoch],
    ["state", tenant.reason === null ? tenant.state : `${tenant.state}: ${tenant.reason}`],
    ["residency", tenant.region],
    [
      "limits",
      `${limits.requestsPerSecond} requests/s, ${limits.inFlight} in flight, ${limits.bodyBytes} bytes a body`,
    ],
    ["created", tenant.createdAt],
    ["keys", tenant.keys.length === 0 ? null : tenant.keys.map((key) => `${key.id} (${key.createdAt})`).join(", ")],
  ]);
  return { json: tenant, text };
}
