import type {
  RolloutExplanation,
  RolloutWhatIf,
  RolloutWhatIfAnswer,
} from "../../../common/contracts/rollout-records.ts";
import type { Rollout, Verdict } from "../../../common/contracts/rollout.ts";
import type { Answer, Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";
import { duration, table } from "../../text.ts";
import { policyOf, type PolicyInput } from "./plan.ts";

/** `rollout explain` */
export async function explainRollout(context: Context, input: { readonly id?: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const id = await idOf(plane, input.id);
  const explanation = await plane.get<RolloutExplanation>(`/v1/rollouts/${id}/explain`);
  return { json: explanation, text: explanationText(explanation).join("\n") };
}

/** `rollout what-if` */
export async function whatIf(context: Context, input: PolicyInput & { readonly id?: string }): Promise<Answer> {
  const plane = await context.controlPlane();
  const id = await idOf(plane, input.id);
  const body: RolloutWhatIf = { policy: policyOf(input) };
  const answer = await plane.post<RolloutWhatIfAnswer>(`/v1/rollouts/${id}/what-if`, body);
  const rows = answer.bakes.map(({ wave, looks, was, would, afterSeconds }) => [
    wave,
    looks,
    shortly(was),
    shortly(would),
    duration(afterSeconds),
    would.reason,
  ]);
  return { json: answer, text: table(["WAVE", "LOOKS", "WAS", "WOULD BE", "AFTER", "WHY"], rows) };
}

/** Every decision with what each gate found, then what was watched. Pure. */
export function explanationText({ id, release, state, decisions, watches }: RolloutExplanation): string[] {
  return [
    `${release}  ${state}  (rollout ${id})`,
    ...decisions.flatMap(({ at, wave, event, verdict }) => [
      "",
      `${at}  wave ${wave ?? "-"}  ${event}: ${shortly(verdict)}: ${verdict.reason}`,
      ...verdictLines(verdict),
    ]),
    "",
    ...watches.map(
      ({ wave, number, purpose, looks, comparison, cells }) =>
        `watch ${number}  wave ${wave}, ${purpose}: ${looks.length} looks in ${duration(looks.at(-1)?.seconds ?? 0)} at ${cells.map(({ cell }) => cell).join(", ")}` +
        (comparison === null ? "" : `, compared with ${comparison.controls.join(", ") || "nobody"}`),
    ),
  ];
}

function verdictLines({ gates = [], sources, missing, ...decided }: Verdict): string[] {
  const found = gates.length > 0 ? gates : [{ ...decided, outcome: decided.verdict }];
  return [
    `  heard ${sources.join(", ") || "nobody"}${missing.length === 0 ? "" : `; not heard ${missing.join(", ")}`}`,
    ...found.flatMap(({ gate, outcome, reason, numbers, thresholds, formula }) => [
      `  ${gate.padEnd(10)} ${outcome}: ${reason}`,
      ...(Object.keys(numbers).length === 0 ? [] : [`    numbers     ${valuesText(numbers)}`]),
      ...(outcome === "not-applicable"
        ? []
        : [`    thresholds  ${valuesText(thresholds)}`, `    formula     ${formula}`]),
    ]),
  ];
}

function valuesText(values: Readonly<Record<string, number>>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Math.round(value * 10_000) / 10_000}`)
    .join(", ");
}

function shortly({ verdict, gate }: Verdict): string {
  return `${verdict} (${gate})`;
}

async function idOf(plane: ControlPlane, id: string | undefined): Promise<string> {
  return id === undefined ? (await plane.get<Rollout>("/v1/rollouts/latest")).id : encodeURIComponent(id);
}
