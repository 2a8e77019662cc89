import { customerTiers } from "../../common/contracts/control-plane.ts";
import { act, type DefineCommands, withExamples, wordOption } from "../command.ts";
import { defineTenantRestore } from "./backups.ts";

/** `tenant …`, `key …`, `place explain`. */
export const defineTenants: DefineCommands = (parent, run) => {
  const tenant = parent.command("tenant").description("tenants: the customers' units of isolation");

  const create = tenant
    .command("create")
    .description("create a tenant; returns when it is served, and shows its key this once")
    .argument("<slug>", "first label of its host, e.g. acme")
    .addOption(wordOption("--tier <tier>", "limits and placement follow from it", customerTiers).makeOptionMandatory())
    .option("--region <region>", "residency: only cells of this region may hold it");
  act(create, run, async () => (await import("../actions/tenant.ts")).createTenant);
  withExamples(create, "tenant create acme --tier pro", "tenant create acme --tier enterprise --region eu --json");

  const list = tenant
    .command("list")
    .description("all tenants with cell, tier and state")
    .option("--synthetic", "the cells' synthetic tenants instead");
  act(list, run, async () => (await import("../actions/tenant.ts")).listTenants);

  const show = tenant.command("show").description("one tenant").argument("<slug>", "the tenant");
  act(show, run, async () => (await import("../actions/tenant.ts")).showTenant);

  const suspend = tenant
    .command("suspend")
    .description("refuse a tenant's requests and stop its jobs")
    .argument("<slug>", "the tenant")
    .option("--reason <text>", "why; it is shown in answers and in the audit");
  act(suspend, run, async () => (await import("../actions/tenant.ts")).suspendTenant);
  withExamples(suspend, 'tenant suspend acme --reason "unpaid since March"');

  const resume = tenant
    .command("resume")
    .description("serve a suspended tenant again")
    .argument("<slug>", "the tenant")
    .option("--reason <text>", "why");
  act(resume, run, async () => (await import("../actions/tenant.ts")).resumeTenant);

  defineTenantRestore(tenant, run);

  const key = parent.command("key").description("API keys of tenants");
  const createKey = key
    .command("create")
    .description("another key for a tenant, shown this once")
    .argument("<slug>", "the tenant");
  act(createKey, run, async () => (await import("../actions/tenant.ts")).createKey);
  const revoke = key
    .command("revoke")
    .description("make a key worthless")
    .argument("<slug>", "the tenant")
    .argument("<id>", "the key's id, as `tenant show` lists it");
  act(revoke, run, async () => (await import("../actions/tenant.ts")).revokeKey);
  withExamples(revoke, "key revoke acme 01980c2e-7c3f-7b1e-9d3f-4d8f0f6a2b11");

  const place = parent.command("place").description("placement of tenants on cells");
  const explain = place
    .command("explain")
    .description("why a tenant is where it is, cell by cell")
    .argument("<tenant>", "the tenant's slug");
  act(explain, run, async () => (await import("../actions/tenant.ts")).explainPlacement);
  withExamples(explain, "place explain acme");
};
