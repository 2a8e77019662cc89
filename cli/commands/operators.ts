import { roles } from "../../common/contracts/control-plane.ts";
import { act, type DefineCommands, withExamples, wordOption } from "../command.ts";

/** `operator add|list|revoke`: who may operate the fleet. */
export const defineOperators: DefineCommands = (parent, run) => {
  const operator = parent.command("operator").description("people who operate the fleet, each with a token and a role");

  const add = operator
    .command("add")
    .description("give somebody a token, shown this once; he uses it as CELLPLANE_TOKEN")
    .argument("<name>", "as the audit will call him")
    .addOption(wordOption("--role <role>", "what he may", roles).default("operator"));
  act(add, run, async () => (await import("../actions/operator.ts")).addOperator);
  withExamples(add, "operator add ada", "operator add grace --role admin");

  const list = operator.command("list").description("those whose tokens work");
  act(list, run, async () => (await import("../actions/operator.ts")).listOperators);

  const revoke = operator
    .command("revoke")
    .description("make an operator's token, sessions and sign-in codes worthless")
    .argument("<name>", "the operator");
  act(revoke, run, async () => (await import("../actions/operator.ts")).revokeOperator);
  withExamples(revoke, "operator revoke ada");
};
