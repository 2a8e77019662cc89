import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import Type, { type Static } from "typebox";
import Value from "typebox/value";
import { JourneyStep } from "../../../common/contracts/release.ts";
import { bundle } from "./build.ts";
import { bundleError } from "./errors.ts";
import { checkFolder } from "./folder.ts";

const run = promisify(execFile);
const timeoutMs = 20_000;

const Described = Type.Object({
  name: Type.String(),
  aggregates: Type.Array(Type.String()),
  configuration: Type.Record(Type.String(), Type.String()),
  journey: Type.Optional(Type.Array(JourneyStep, { minItems: 1, maxItems: 20 })),
});
const Failed = Type.Object({ failed: Type.String() });

/** What the application says of itself, in a process of its own: what its modules do when they are loaded is its own affair. */
const question = (file: string): string => `
  const answer = (text) => process.stdout.write(JSON.stringify(text));
  try {
    const { default: app } = await import(${JSON.stringify(file)});
    if (typeof app?.routes !== "function" || typeof app.aggregates !== "object" || typeof app.settings?.properties !== "object")
      throw new TypeError("the default export of app.ts is not made by defineCellApp");
    const configuration = Object.fromEntries(Object.entries(app.settings.properties).flatMap(([name, { default: value }]) => value === undefined ? [] : [[name, String(value)]]));
    answer({ name: app.name, aggregates: Object.keys(app.aggregates).toSorted(), configuration, journey: app.journey });
  } catch (error) {
    answer({ failed: String(error) });
  }`;

/**
 * Asks the application itself what it is called, what it aggregates and how it is configured by default.
 * @throws bundle-failed, and bad-application with what is wrong in the folder or in what app.ts exports.
 */
export async function describe(folder: string, node: string): Promise<Static<typeof Described>> {
  await checkFolder(folder);
  const draft = await mkdtemp(join(tmpdir(), "cellplane-describe-"));
  try {
    const file = join(draft, "describe.mjs");
    await bundle(question(join(folder, "app.ts")), file);
    const described = await ask(node, file, draft);
    if (Value.Check(Failed, described)) throw bundleError("bad-application", described.failed);
    if (Value.Check(Described, described)) return described;
    const [first] = Value.Errors(Described, described);
    throw bundleError(
      "bad-application",
      `app.ts: ${first?.instancePath ?? ""} ${first?.message ?? "is no application"}.`,
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

async function ask(node: string, file: string, cwd: string): Promise<unknown> {
  try {
    const { stdout } = await run(node, [file], { cwd, env: {}, timeout: timeoutMs });
    return JSON.parse(stdout);
  } catch (cause) {
    throw bundleError(
      "bad-application",
      "app.ts ended its process, did not end within 20 s, or wrote to stdout when it was loaded.",
      {
        cause,
      },
    );
  }
}
