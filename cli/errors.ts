import { type CellplaneError, errorsOf, type ErrorTable } from "../common/errors.ts";
import type { Problem } from "../common/contracts/problem.ts";

/** What the command line itself can refuse; all else is the answer of the part that it asked. */
export const cliErrors = {
  usage: {
    status: 400,
    title: "The command line is not understood",
    todo: "`cellplane help`, or the command with --help, shows what there is.",
  },
  "folder-not-empty": {
    status: 409,
    title: "The folder holds something already",
    todo: "Name an empty folder, or one that is not there yet; nothing was written.",
  },
  "bad-name": {
    status: 400,
    title: "This is no name of an application",
    todo: "Give one with --name: a letter, then at most 39 of a-z 0-9 and -.",
  },
  "another-application": {
    status: 409,
    title: "This fleet runs another application",
    todo: "A fleet runs the releases of one application. Name its folder, or the home of the fleet that runs this one.",
  },
  "no-fleet": {
    status: 404,
    title: "There is no fleet in this home",
    todo: "Run `npm start`, or name the right home with --home or CELLPLANE_HOME.",
  },
  "home-unreadable": {
    status: 500,
    title: "A file of the fleet's home cannot be used",
    todo: "Run the command as the user who started the fleet; if the file is damaged, `npm start` says how to mend it.",
  },
  "unreadable-file": {
    status: 400,
    title: "That file cannot be used",
    todo: "Name a JSON file that you may read.",
  },
  "control-plane-unreachable": {
    status: 503,
    title: "The control plane does not answer",
    todo: "Look at `cellplane status`, then `cellplane process start control-plane` or `npm start`.",
  },
  "unexpected-answer": {
    status: 502,
    title: "The answer is none that this version of the command understands",
    todo: "Use the command line and the control plane of one version.",
  },
  "still-running": {
    status: 500,
    title: "Some processes would not stop",
    todo: "Look at their logs in <home>/logs, then run `cellplane stop` again.",
  },
  unforeseen: {
    status: 500,
    title: "The command failed in a way that nobody foresaw",
    todo: "Report it with the lines above; they say where it happened.",
  },
} as const satisfies ErrorTable;

export const cliError = errorsOf(cliErrors);

/** A problem document that another part answered; it is passed on as it is. */
export class RemoteProblem extends Error {
  override readonly name = "RemoteProblem";
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail);
    this.problem = problem;
  }
}

export type Refusal = CellplaneError | RemoteProblem;
