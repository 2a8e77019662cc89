import { act, type DefineCommands, withExamples } from "../command.ts";

/** `dns plan|apply`. */
export const defineDns: DefineCommands = (parent, run) => {
  const dns = parent.command("dns").description("Route 53 records, planned and applied");
  const plan = dns.command("plan").description("what would change; needs no credentials");
  act(plan, run, async () => (await import("../actions/dns.ts")).planDns);
  withExamples(plan, "dns plan");
  const apply = dns
    .command("apply")
    .description("bring the plan into Route 53; returns when all its name servers have it")
    .option("--plan <hash>", "only this plan, as `dns plan` showed it")
    .option("--reason <text>", "why; kept in the audit");
  act(apply, run, async () => (await import("../actions/dns.ts")).applyDns);
  withExamples(apply, "dns apply");
};
