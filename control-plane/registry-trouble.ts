import { sqlState } from "../common/postgres/pool.ts";
import { fail } from "./errors.ts";

/** Error codes of sockets, and the words of the driver's pool, that mean that the database cannot be reached. */
const socketCodes = new Set(["ECONNREFUSED", "ECONNRESET", "EPIPE", "ETIMEDOUT", "ENOTFOUND"]);
const poolWords = /timeout exceeded when trying to connect|Connection terminated|Query read timeout|timeout expired/;
/** SQLSTATE classes: connection lost, too little of something, stopped by an operator (a server that starts or stops). */
const stateClasses = ["08", "53", "57"];

/** An error that means that the registry does not answer now becomes `registry-unavailable`; any other stays as it is. */
export function registryTrouble(error: Error): Error {
  const { code } = error as NodeJS.ErrnoException;
  const state = sqlState(error);
  const isAway =
    (code !== undefined && socketCodes.has(code)) ||
    poolWords.test(error.message) ||
    (state !== undefined && stateClasses.includes(state.slice(0, 2)));
  return isAway
    ? fail("registry-unavailable", "The registry's database does not answer now.", { cause: error })
    : error;
}
