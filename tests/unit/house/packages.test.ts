import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { root } from "../../../scripts/lib/bootstrap.mjs";

// What may come in with the packages. npm itself enforces the rest: `npm ci` installs exactly what the lockfile names, checks each
// package against its digest, and runs no install script that `allowScripts` does not allow.

interface LockedPackage {
  readonly resolved?: string;
  readonly integrity?: string;
  readonly hasInstallScript?: boolean;
  readonly link?: boolean;
  readonly optional?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly libc?: readonly string[];
}

interface Lockfile {
  readonly packages: Readonly<Record<string, LockedPackage>>;
}

/**
 * A machine's own variant of a package, for a machine on which Cellplane does not run. npm writes no digest for a variant that it did not
 * fetch, and fetches none that does not fit.
 */
function isForeignVariant(locked: LockedPackage): boolean {
  const fits =
    (locked.os ?? ["linux"]).includes("linux") &&
    (locked.cpu ?? ["x64"]).some((cpu) => cpu === "x64" || cpu === "arm64") &&
    (locked.libc ?? ["glibc"]).includes("glibc");
  return locked.optional === true && !fits;
}

/**
 * What is wrong with a lockfile: an address of its own, a package without its digest, a script that nobody judged. Ours is written without
 * addresses, so that a package comes from the registry that npm is set to, and nothing else can be slipped in.
 */
function complaints(lockfile: Lockfile, judged: Readonly<Record<string, boolean>>): string[] {
  return Object.entries(lockfile.packages).flatMap(([path, locked]) => {
    // The project itself.
    if (path === "") return [];
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
    return [
      ...(locked.resolved === undefined ? [] : [`${name} comes from an address outside the registry`]),
      ...(locked.integrity === undefined && !isForeignVariant(locked) ? [`${name} has no digest`] : []),
      ...(locked.link === true ? [`${name} is a link`] : []),
      ...(locked.hasInstallScript === true && judged[name] === undefined
        ? [`${name} has an install script that allowScripts does not name`]
        : []),
    ];
  });
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), "utf8"));
const lockfile = read("package-lock.json") as Lockfile;
const { allowScripts } = read("package.json") as { readonly allowScripts: Readonly<Record<string, boolean>> };

test("attack 34: every locked package comes from the registry by its digest, and no install script is unjudged", () => {
  assert.deepEqual(complaints(lockfile, allowScripts), []);
  assert.ok(Object.keys(lockfile.packages).length > 100, "the lockfile was read");
});

test("attack 34: no install script is allowed to run", () => {
  assert.deepEqual(
    Object.entries(allowScripts).filter(([, allowed]) => allowed),
    [],
  );
});

test("attack 34: a foreign address, a missing digest and a new install script are each found", () => {
  const integrity = "sha512-x";
  const tampered: Lockfile = {
    packages: {
      "": {},
      "node_modules/good": { integrity },
      "node_modules/elsewhere": { integrity, resolved: "https://packages.example/elsewhere-1.0.0.tgz" },
      "node_modules/good/node_modules/git": { integrity, resolved: "git+ssh://git@example/git.git#main" },
      "node_modules/bare": {},
      "node_modules/bare-linux-x64": { optional: true, os: ["linux"], cpu: ["x64"] },
      "node_modules/bare-win32-x64": { optional: true, os: ["win32"], cpu: ["x64"] },
      "node_modules/@scope/runs": { integrity, hasInstallScript: true },
      "node_modules/judged": { integrity, hasInstallScript: true },
    },
  };
  assert.deepEqual(complaints(tampered, { judged: false }), [
    "elsewhere comes from an address outside the registry",
    "git comes from an address outside the registry",
    "bare has no digest",
    "bare-linux-x64 has no digest",
    "@scope/runs has an install script that allowScripts does not name",
  ]);
});
