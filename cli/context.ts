import type { FleetFile } from "../common/contracts/home.ts";
import { CellplaneError } from "../common/errors.ts";
import { controlPlaneAt, type ControlPlane } from "./control-plane.ts";
import { tellDirect } from "./direct.ts";
import { RemoteProblem } from "./errors.ts";
import type { ExitCode } from "./exit.ts";
import { readFleet, readOperatorToken } from "./home.ts";

/** What a command answers: one JSON document, and the same for people. */
export interface Answer {
  readonly json: unknown;
  /** Without a newline at its end; empty for nothing to say. */
  readonly text: string;
  readonly exit?: ExitCode;
}

/** Its size at this moment. */
export interface Terminal {
  columns(): number;
  rows(): number;
}

/** Where a command stands. */
export interface Context {
  /** The fleet's home, absolute. */
  readonly home: string;
  readonly json: boolean;
  /** The terminal that stdout is, where it may be written in colours and rewritten in place; else null. */
  readonly terminal: Terminal | null;
  /** Whether stdout goes to a program, which follows a rollout by lines of JSON; under --json it is given the one document instead. */
  readonly piped: boolean;
  /** What people read while they wait: stdout, or stderr under --json, where stdout belongs to the one document. */
  readonly progress: (text: string) => void;
  fleet(): Promise<FleetFile>;
  controlPlane(): Promise<ControlPlane>;
}

export interface ContextOptions {
  readonly home: string;
  /** An operator's token; undefined for the one that `npm start` left in the home. */
  readonly token: string | undefined;
  readonly json: boolean;
  readonly terminal: Terminal | null;
  readonly piped: boolean;
  readonly progress: (text: string) => void;
  /** What belongs to no command's answer: stderr. */
  readonly remark: (text: string) => void;
}

export function createContext(options: ContextOptions): Context {
  const { token, ...surroundings } = options;
  const { home } = surroundings;
  const fleet = once(() => readFleet(home));
  return {
    ...surroundings,
    fleet,
    controlPlane: once(async () => {
      const plane = controlPlaneAt((await fleet()).urls.controlPlane, token ?? (await readOperatorToken(home)));
      await catchUp(options, plane);
      return plane;
    }),
  };
}

/** What was done past the control plane is told first, where it answers; whether it does, the command's own call finds out. */
async function catchUp({ home, remark }: ContextOptions, plane: ControlPlane): Promise<void> {
  try {
    await tellDirect(home, plane);
  } catch (error) {
    if (error instanceof CellplaneError && error.code === "control-plane-unreachable") return;
    if (!(error instanceof RemoteProblem)) throw error;
    remark(`What was done directly is not in the audit yet: ${error.message}\n`);
  }
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
