import { act, type DefineCommands, withExamples } from "../command.ts";

/** `release create|list`. */
export const defineReleases: DefineCommands = (parent, run) => {
  const release = parent.command("release").description("releases: immutable artefacts that cells run");

  const create = release
    .command("create")
    .description("bundle an application and store it in the control plane, each file under its digest")
    .argument("<folder>", "the application's folder")
    .requiredOption("--version <version>", "the release's version, e.g. 2; its name is <application>@<version>");
  act(create, run, async () => (await import("../actions/release.ts")).createRelease);
  withExamples(create, "release create examples/pulse-2 --version 2");

  act(
    release.command("list").description("stored releases, newest first"),
    run,
    async () => (await import("../actions/release.ts")).listReleases,
  );
};
