import { act, type DefineCommands, withExamples } from "../command.ts";

/** `webhook add|list|show|test|remove`. */
export const defineWebhooks: DefineCommands = (parent, run) => {
  const webhook = parent.command("webhook").description("who is told, by signed messages, of what rollouts do");

  const add = webhook
    .command("add")
    .description("have every change of a rollout's state sent to an address; its secret is shown this once")
    .argument("<url>", "https address of the receiver; http on this machine only")
    .option("--reason <text>", "why; kept in the audit");
  act(add, run, async () => (await import("../actions/webhook.ts")).addWebhook);
  withExamples(add, "webhook add https://hooks.example.org/cellplane");

  const list = webhook.command("list").description("webhooks, and what became of their messages");
  act(list, run, async () => (await import("../actions/webhook.ts")).listWebhooks);
  withExamples(list, "webhook list");

  const show = webhook
    .command("show")
    .description("the latest messages to a webhook: tries, answers, when it is tried next")
    .argument("<id>", "its id, as `webhook list` shows it");
  act(show, run, async () => (await import("../actions/webhook.ts")).showWebhook);
  withExamples(show, "webhook show 01980000-0000-7000-8000-000000000000");

  const test = webhook
    .command("test")
    .description("send one message at once; exit code 1 where it is not taken")
    .argument("<id>", "its id");
  act(test, run, async () => (await import("../actions/webhook.ts")).testWebhook);
  withExamples(test, "webhook test 01980000-0000-7000-8000-000000000000");

  const remove = webhook
    .command("remove")
    .description("remove a webhook, with what waits for it")
    .argument("<id>", "its id");
  act(remove, run, async () => (await import("../actions/webhook.ts")).removeWebhook);
  withExamples(remove, "webhook remove 01980000-0000-7000-8000-000000000000");
};
