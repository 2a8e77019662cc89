// What starts first must run on whatever Node a machine has, Debian's 20 included, and before any package is there:
// plain JavaScript, no dependency. It makes sure of the packages and hands over to the TypeScript behind it.

import { spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import * as nodeModule from "node:module";
import { dirname, join, relative } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The clone's folder. */
export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

// Since 22.18 Node runs TypeScript without a flag.
const oldestNode = [22, 18];
const modules = join(root, "node_modules");
const stamp = join(modules, ".cellplane-lock");
const staging = join(root, ".install");
// A cold install takes 20 s here; a slow line may take minutes, a dead one must end.
const installLimitMs = 15 * 60_000;
const lockLimitMs = 16 * 60_000;

/** Progress goes to stderr: stdout belongs to the command's answer. */
function say(line) {
  process.stderr.write(`${line}\n`);
}

/** An error whose message is all that its reader needs; no stack. */
export class SetupError extends Error {}

/**
 * Installs the npm packages of package-lock.json, if node_modules is not already exactly that.
 * Safe with several at once: they wait for each other, and the new folder is swapped in when it is complete, so that
 * an interrupted install leaves the old one.
 */
export async function ensurePackages() {
  const wanted = digestOf(join(root, "package-lock.json"));
  if (installed() === wanted) return;
  await oneAtATime(join(staging, "lock"), "npm packages", async () => {
    if (installed() === wanted) return;
    if (matchesLockfile()) return finish(modules, wanted);
    const began = Date.now();
    say(
      existsSync(modules)
        ? "npm packages: package-lock.json has changed, installing what it names …"
        : "npm packages: installing what package-lock.json names (about 800 MB, Node 24 among them) …",
    );
    const fresh = join(staging, `${process.pid}-${randomUUID().slice(0, 8)}`);
    mkdirSync(fresh, { recursive: true });
    try {
      for (const file of ["package.json", "package-lock.json"]) copyFileSync(join(root, file), join(fresh, file));
      if (existsSync(join(root, ".npmrc"))) copyFileSync(join(root, ".npmrc"), join(fresh, ".npmrc"));
      await npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=notice"], fresh, began);
      finish(join(fresh, "node_modules"), wanted);
      if (existsSync(modules)) renameSync(modules, join(fresh, "old"));
      renameSync(join(fresh, "node_modules"), modules);
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
    say(`npm packages: installed in ${seconds(began)}`);
  });
}

/** @returns whether an install was completed here, whatever the lockfile says now. */
export function packagesPresent() {
  return installed() !== undefined;
}

function digestOf(file) {
  return createHash("sha256").update(readFileSync(file)).digest("hex");
}

function installed() {
  return existsSync(stamp) ? readFileSync(stamp, "utf8").trim() : undefined;
}

/** Whether somebody's own `npm ci` has already installed what the lockfile names: npm notes in a file what it put there. */
function matchesLockfile() {
  const note = join(modules, ".package-lock.json");
  if (!existsSync(note)) return false;
  const has = JSON.parse(readFileSync(note, "utf8")).packages;
  const wants = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const same = Object.entries(has).every(([path, entry]) => wants[path]?.version === entry.version);
  return (
    same &&
    Object.entries(wants).every(([path, entry]) => path === "" || entry.optional === true || has[path] !== undefined)
  );
}

/** npm links no bin of the root package, so `npx cellplane` would ask the registry for one; and notes what was installed. */
function finish(folder, digest) {
  const bin = join(folder, ".bin");
  rmSync(join(bin, "cellplane"), { force: true });
  symlinkSync(relative(join(root, "node_modules", ".bin"), join(root, "cli", "cellplane.mjs")), join(bin, "cellplane"));
  writeFileSync(join(folder, ".cellplane-lock"), `${digest}\n`);
}

async function npm(args, cwd, began) {
  // Under `npm start` the npm that runs us is named; a Node in the folder being replaced must not run it.
  const script = process.env.npm_execpath;
  const own = script !== undefined && /npm-cli\.[cm]?js$/.test(script);
  const command = own ? process.execPath : "npm";
  const env = { ...process.env };
  for (const name of Object.keys(env))
    if (/^npm_(config_local_prefix|package_|lifecycle_)/.test(name)) delete env[name];
  const child = spawn(command, own ? [script, ...args] : args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const keep = (chunk) => (output = (output + chunk).slice(-64_000));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const ticking = setInterval(() => say(`npm packages: still installing (${seconds(began)})`), 10_000);
  const limit = setTimeout(() => child.kill("SIGKILL"), installLimitMs);
  const code = await new Promise((resolve, reject) => {
    child.on("error", (cause) =>
      reject(new SetupError(`npm cannot be started (${cause.message}). Install npm, or put it on PATH.`)),
    );
    child.on("close", resolve);
  }).finally(() => {
    clearInterval(ticking);
    clearTimeout(limit);
  });
  if (code === 0) return;
  const why = output.split("\n").filter((line) => line.startsWith("npm error") && !line.includes("complete log"));
  throw new SetupError(
    `npm ci ended with ${code ?? "a signal"}:\n${(why.length > 0 ? why : output.split("\n")).slice(-15).join("\n")}`,
  );
}

/**
 * Runs `work` while no other process that asks for the same lock does. A lock whose owner is gone is taken over.
 * @param what said to whoever has to wait
 */
export async function oneAtATime(lock, what, work) {
  mkdirSync(dirname(lock), { recursive: true });
  const until = Date.now() + lockLimitMs;
  for (let told = false; !take(lock); told = true) {
    const owner = ownerOf(lock);
    if (owner !== undefined && !alive(owner)) {
      rmSync(lock, { force: true });
      continue;
    }
    if (Date.now() > until) throw new SetupError(`another set-up (process ${owner}) holds ${lock} for too long`);
    if (!told) say(`${what}: waiting for another set-up (process ${owner}) …`);
    await sleep(200);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function take(lock) {
  try {
    writeFileSync(lock, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code === "EEXIST") return false;
    throw error;
  }
}

function ownerOf(lock) {
  try {
    const pid = Number(readFileSync(lock, "utf8"));
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function seconds(began) {
  return `${((Date.now() - began) / 1000).toFixed(1)} s`;
}

/**
 * The Node that runs the project: this one if it is new enough, else the one among the npm packages.
 * @throws SetupError when there is neither.
 */
export function nodePath() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return process.execPath;
  const packaged = join(modules, `node-linux-${process.arch}`, "bin", "node");
  if (existsSync(packaged)) return packaged;
  throw new SetupError(
    `Cellplane needs Node ${oldestNode.join(".")} or newer; this is ${process.versions.node}, and there is no packaged one for ${process.platform} ${process.arch}.`,
  );
}

/**
 * Runs a TypeScript file of the project as if it had been started itself: same arguments, streams, signals, exit code.
 * Where this Node can, in this very process. Otherwise in a child, which gets every signal sent to us; a Ctrl-C at a
 * terminal reaches it twice, so its handlers must bear that.
 */
export async function handOver(file, args) {
  const target = join(root, file);
  const cache = join(modules, ".cache", "compiled");
  process.env.NODE_COMPILE_CACHE ??= cache;
  const node = nodePath();
  if (node === process.execPath) {
    nodeModule.enableCompileCache(process.env.NODE_COMPILE_CACHE);
    process.argv = [node, target, ...args];
    await import(pathToFileURL(target).href);
    return;
  }
  const child = spawn(node, [target, ...args], { stdio: "inherit" });
  const signals = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
  const forward = (signal) => child.kill(signal);
  for (const signal of signals) process.on(signal, forward);
  const { code, signal } = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => resolve({ code, signal }));
  });
  for (const name of signals) process.off(name, forward);
  if (signal !== null) process.kill(process.pid, signal);
  else process.exitCode = code;
}

/** Runs a start script and turns a set-up error into one plain message and exit code 1. */
export async function boot(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(error.message);
    process.exitCode = 1;
  }
}
