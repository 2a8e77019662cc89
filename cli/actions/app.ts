import { cp, mkdir, readFile, readdir, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import type { Answer, Context } from "../context.ts";
import { cliError } from "../errors.ts";

const clone = fileURLToPath(new URL("../..", import.meta.url));
/** What a new application begins as: the example that the guide explains. */
const template = join(clone, "examples", "notes");
const templateName = "notes";
/** What defineCellApp takes for a name. */
const plainName = /^[a-z][a-z0-9-]{0,39}$/;

interface NewApp {
  readonly folder: string;
  readonly name?: string;
}

/**
 * `app new`: copies the example into an empty folder and makes that a package of its own, in which an editor, the type checker and Node find the kit as
 * `cellplane/kit`, through a link to this clone. Nothing is downloaded.
 */
export async function newApp(_context: Context, input: NewApp): Promise<Answer> {
  const folder = resolve(input.folder);
  const name = input.name ?? basename(folder);
  if (!plainName.test(name))
    throw cliError(
      "bad-name",
      `${JSON.stringify(name)} is no name of an application: a letter, then at most 39 of a-z 0-9 -.`,
    );
  await refuseFilled(folder);
  await mkdir(folder, { recursive: true });
  await cp(template, folder, { recursive: true });
  const app = join(folder, "app.ts");
  const source = await readFile(app, "utf8");
  await writeFile(app, source.replace(`name: "${templateName}",\n  migrations`, `name: "${name}",\n  migrations`));
  await writeFile(join(folder, "package.json"), `${JSON.stringify(packageOf(name), null, 2)}\n`);
  await writeFile(join(folder, "tsconfig.json"), `${JSON.stringify(compilerSettings, null, 2)}\n`);
  await writeFile(join(folder, ".gitignore"), "node_modules/\n");
  await link(folder);
  const files = await filesIn(folder);
  return {
    json: { name, folder, files },
    text: [
      `${name} is in ${folder}:`,
      ...files.map((file) => `  ${file}`),
      "",
      "Next:",
      `  npm start -- --app ${folder} --home ${join(dirname(folder), `${name}-fleet`)} --no-demo`,
    ].join("\n"),
  };
}

/** The kit for editor, compiler and Node, and the command for npx. */
async function link(folder: string): Promise<void> {
  const packages = join(folder, "node_modules");
  await mkdir(join(packages, ".bin"), { recursive: true });
  await symlink(clone, join(packages, "cellplane"));
  await symlink(join("..", "cellplane", "cli", "cellplane.mjs"), join(packages, ".bin", "cellplane"));
}

async function refuseFilled(folder: string): Promise<void> {
  try {
    const [first] = await readdir(folder);
    if (first !== undefined) throw cliError("folder-not-empty", `${folder} holds ${first}.`);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOTDIR") throw cliError("folder-not-empty", `${folder} is a file.`, { cause: error });
    if (code !== "ENOENT") throw error;
  }
}

const packageOf = (name: string) => ({
  name,
  private: true,
  type: "module",
  scripts: { check: "node node_modules/cellplane/node_modules/typescript/bin/tsc -p .", test: "node --test" },
  engines: { node: ">=22.18" },
});

/** As the kit's own: Node strips the types, the compiler only checks them. */
const compilerSettings = {
  compilerOptions: {
    target: "es2024",
    module: "nodenext",
    noEmit: true,
    strict: true,
    noUncheckedIndexedAccess: true,
    allowImportingTsExtensions: true,
    erasableSyntaxOnly: true,
    verbatimModuleSyntax: true,
    skipLibCheck: true,
    typeRoots: ["node_modules/cellplane/node_modules/@types"],
    types: ["node"],
  },
  include: ["**/*.ts"],
  exclude: ["node_modules"],
};

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}
