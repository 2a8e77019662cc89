import { act, type DefineCommands, withExamples } from "../command.ts";

/** `app new`. */
export const defineApps: DefineCommands = (parent, run) => {
  const app = parent.command("app").description("your own application, written on the kit");
  const create = app
    .command("new")
    .description("begin an application in an empty folder; docs/write-a-cell-app.md goes on from there")
    .argument("<folder>", "an empty folder, or one that is not there yet")
    .option("--name <name>", "the application's name (default: the folder's)");
  act(create, run, async () => (await import("../actions/app.ts")).newApp);
  withExamples(create, "app new ../notes", "app new ../shop --name corner-shop");
};
