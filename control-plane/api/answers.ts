import { Problem } from "../../common/contracts/problem.ts";
import type { TSchema } from "typebox";

/** The answers of a route for its schema: what it gives, and that any refusal is a problem document. */
export function answers<Answer extends TSchema>(answer: Answer) {
  return { 200: answer, "4xx": Problem, "5xx": Problem };
}

/** The same where something was made. */
export function created<Answer extends TSchema>(answer: Answer) {
  return { 201: answer, "4xx": Problem, "5xx": Problem };
}
