import type { FleetFile } from "../common/contracts/home.ts";
import { controlPlaneAt, type ControlPlane } from "./control-plane.ts";
import type { ExitCode } from "./exit.ts";
import { readFleet, readOperatorToken } from "./home.ts";

/** What a command answers: one JSON document, and the same for people. */
export interface Answer {
  readonly json: unknown;
  /** Without a newline at its end; empty for nothing to say. */
  readonly text: string;
  readonly exit?: ExitCode;
}

/** Where a command stands. */
export interface Context {
  /** The fleet's home, absolute. */
  readonly home: string;
  readonly json: boolean;
  /** Whether stdout is a terminal that may be written in colours and rewritten in place. */
  readonly terminal: boolean;
  /** Columns of that terminal. */
  readonly columns: number;
  /** What people read while they wait: stdout, or stderr under --json, where stdout belongs to the one document. */
  readonly progress: (text: string) => void;
  fleet(): Promise<FleetFile>;
  controlPlane(): Promise<ControlPlane>;
}

export interface ContextOptions {
  readonly home: string;
  readonly json: boolean;
  readonly terminal: boolean;
  readonly columns: number;
  readonly progress: (text: string) => void;
}

export function createContext(options: ContextOptions): Context {
  const fleet = once(() => readFleet(options.home));
  return {
    ...options,
    fleet,
    controlPlane: once(async () =>
      controlPlaneAt((await fleet()).urls.controlPlane, await readOperatorToken(options.home)),
    ),
  };
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
