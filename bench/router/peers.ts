import { execFile } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Peer } from "../runner/contract.ts";
import { debianPeer } from "./debian.ts";

const run = promisify(execFile);
const proxyPackages = ["@fastify/http-proxy@11.6.3", "fastify@5.12.8"];

/** Where the packages of the npm peer are: kept from run to run, and no part of the project. */
export const proxyFolder = join(tmpdir(), "cellplane-bench-http-proxy");

export const nginx = debianPeer("nginx", "nginx", ["-v"]);
export const haproxy = debianPeer("HAProxy", "haproxy", ["-v"]);
export const httpProxy: Peer = {
  name: "@fastify/http-proxy",
  bring: async () => {
    const manifest = join(proxyFolder, "node_modules/@fastify/http-proxy/package.json");
    if (!existsSync(manifest)) {
      mkdirSync(proxyFolder, { recursive: true });
      writeFileSync(join(proxyFolder, "package.json"), '{ "private": true }\n');
      await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", ...proxyPackages], {
        cwd: proxyFolder,
      });
    }
    return (JSON.parse(readFileSync(manifest, "utf8")) as { readonly version: string }).version;
  },
};
