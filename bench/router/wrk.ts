import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Peer } from "../runner/contract.ts";
import { cores, pinned } from "../runner/pin.ts";
import { debianPeer } from "./debian.ts";
import { hostOf, keyOf } from "./fleet.ts";

export const wrk: Peer = debianPeer("wrk", "wrk", ["-v"]);

/** What to ask: the same request of each of these tenants in turn. */
export interface Asking {
  /** Tenants from the first up to, and without, the last. */
  readonly tenants: readonly [first: number, last: number];
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly bodyBytes: number;
  /** Further field lines. */
  readonly lines: readonly string[];
  /** A test of the answer in Lua, of `status`, `cell` and `tenant` (what the answer's body names) and `body`. */
  readonly right: string;
}

export interface Asked {
  readonly answered: number;
  readonly wrong: number;
  readonly example: string | null;
}

/**
 * Asks over keep-alive connections, one request in flight on each (wrk(1)), and looks at every answer.
 * @throws where wrk cannot be run.
 */
export async function askWithWrk(
  folder: string,
  port: number,
  asking: Asking,
  load: { inFlight: number; seconds: number },
): Promise<Asked> {
  const script = join(folder, `wrk-${port}.lua`);
  writeFileSync(script, scriptOf(asking));
  const args = ["-t", "1", "-c", String(load.inFlight), "-d", `${load.seconds}s`, "-s", script];
  const [command, all] = pinned(cores.others, "wrk", [...args, `http://127.0.0.1:${port}`]);
  const { stdout } = await promisify(execFile)(command, all);
  const [, answered, failed, wrong, example] = /^RESULT (\d+) (\d+) (\d+) (.*)$/m.exec(stdout) ?? [];
  return {
    answered: Number(answered) - Number(wrong),
    wrong: Number(wrong) + Number(failed),
    example: example === undefined || example === "" ? null : example,
  };
}

/** @see https://github.com/wg/wrk/blob/master/SCRIPTING */
function scriptOf({ tenants: [first, last], method, path, bodyBytes, lines, right }: Asking): string {
  const length = bodyBytes > 0 ? `content-type: application/json\\r\\ncontent-length: ${bodyBytes}\\r\\n` : "";
  const more = lines.map((line) => `${line}\\r\\n`).join("");
  const host = hostOf(0).replace("tenant-0", `tenant-" .. t .. "`);
  const key = keyOf(0).replace(/0$/, `" .. t .. "`);
  return `
local requests, count, turn = {}, 0, 0
local threads = {}
wrong, example = 0, ""
function setup(thread) table.insert(threads, thread) end
function init()
  local body = string.rep("b", ${bodyBytes})
  for t = ${first}, ${last - 1} do
    count = count + 1
    requests[count] = "${method} ${path} HTTP/1.1\\r\\nhost: ${host}\\r\\nuser-agent: bench/1\\r\\naccept: application/json\\r\\naccept-encoding: gzip\\r\\nauthorization: Bearer ${key}\\r\\n${more}${length}\\r\\n" .. body
  end
end
function request()
  turn = turn % count + 1
  return requests[turn]
end
function response(status, _, body)
  local cell, tenant = body:match('^{"cell":(%d+),"host":"tenant%-(%d+)%.')
  cell, tenant = tonumber(cell), tonumber(tenant)
  if not (${right}) then
    wrong = wrong + 1
    if example == "" then example = status .. " " .. body:sub(1, 300):gsub("%s+", " ") end
  end
end
function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  local wrong, example = 0, ""
  for _, thread in ipairs(threads) do
    wrong = wrong + thread:get("wrong")
    example = thread:get("example")
  end
  print(string.format("RESULT %d %d %d %s", summary.requests, failed, wrong, example))
end
`;
}
