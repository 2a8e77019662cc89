import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { findHaproxy } from "../../scripts/setup/balancer.ts";
import { freePort } from "./ports.ts";

/** A router behind the balancer: where tenants are served, and where its readiness is asked. */
export interface Behind {
  readonly port: number;
  readonly adminPort: number;
}

/** HAProxy as a TCP balancer before routers, which asks their readiness five times a second. */
export class Balancer {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  static async start(directory: string, routers: readonly Behind[]): Promise<Balancer> {
    const program = findHaproxy();
    if (program === null) throw new Error("HAProxy is missing: install Debian's package haproxy");
    const port = await freePort();
    const path = join(directory, "haproxy.cfg");
    writeFileSync(path, configOf(port, routers));
    const child = spawn(program, ["-q", "-db", "-f", path], { stdio: ["ignore", "ignore", "inherit"] });
    return new Balancer(port, child);
  }

  async stop(): Promise<void> {
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

function configOf(port: number, routers: readonly Behind[]): string {
  const servers = routers.map(
    (router, n) =>
      `  server router-${n + 1} 127.0.0.1:${router.port} check port ${router.adminPort} inter 200ms fall 1 rise 1`,
  );
  return `
defaults
  mode tcp
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout check 5s
  retries 3
  option redispatch 1
listen routers
  bind 127.0.0.1:${port}
  balance roundrobin
  option httpchk GET /readyz
${servers.join("\n")}
`;
}
