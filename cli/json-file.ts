import { readFileSync } from "node:fs";
import { cliError } from "./errors.ts";

/**
 * A JSON file as it is: the control plane checks what it holds against the contract, and says what does not fit.
 * @throws unreadable-file
 */
export function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch (cause) {
    throw cliError("unreadable-file", `${path} is no JSON file that can be read.`, { cause });
  }
}
