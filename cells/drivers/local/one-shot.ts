import { spawn } from "node:child_process";

export interface OneShot {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface OneShotEnd {
  /** 0 is success; a signal's name where it was killed, `timeout` where it took too long. */
  readonly code: number | string;
  /** The end of what it wrote to stderr. */
  readonly complaint: string;
}

const complaintLimit = 2_000;

/** Runs a program once to its end; at the time-out it is killed. */
export function runOnce(shot: OneShot): Promise<OneShotEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(shot.command, shot.args, { cwd: shot.cwd, env: shot.env, stdio: ["ignore", "ignore", "pipe"] });
    let complaint = "";
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, shot.timeoutMs);
    child.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => (complaint = (complaint + text).slice(-complaintLimit)));
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      resolve({ code: late ? "timeout" : (code ?? signal ?? "unknown"), complaint: complaint.trim() });
    });
  });
}
