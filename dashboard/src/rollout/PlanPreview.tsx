import type { PlannedWave, RolloutPlan } from "../../../common/contracts/rollout.ts";
import { span } from "../pieces/span.ts";

/** What a rollout will do, before anybody agrees to it: wave by wave, who is at risk, and what the judge will be able to see. */
export function PlanPreview({ plan }: { readonly plan: RolloutPlan }) {
  const { approvals } = plan.policy;
  return (
    <div className="plan">
      <ol>
        {plan.waves.map((wave) => (
          <PlannedWaveItem key={wave.number} wave={wave} />
        ))}
      </ol>
      <p className="faint">
        {plan.kind ?? "application"} · migrations: {plan.migrationClass ?? "none"} · about {span(plan.expectedSeconds)}
        {approvals !== undefined && ` · ${approvals.required} to approve wave ${approvals.waves.join(", ")}`} · plan{" "}
        <span className="mono" title={plan.hash}>
          {plan.hash.slice(0, 12)}
        </span>
      </p>
    </div>
  );
}

function PlannedWaveItem({ wave }: { readonly wave: PlannedWave }) {
  const risk = Object.entries(wave.tenantsAtRisk).filter(([, count]) => count > 0);
  const quiet = (wave.power ?? []).filter(({ comparable }) => !comparable);
  return (
    <li>
      <p>
        <strong>{wave.number === 1 ? "Wave 1 · canary" : `Wave ${wave.number}`}</strong>{" "}
        <span className="faint">
          bakes {span(wave.bakeSeconds)} ·{" "}
          {risk.length === 0
            ? "no tenants at risk"
            : `tenants at risk: ${risk.map(([tier, count]) => `${count} ${tier}`).join(", ")}`}
        </span>
      </p>
      <ul className="mono">
        {wave.cells.map(({ cell, from, to }) => (
          <li key={cell}>
            {cell} <span className="faint">{`${from ?? "nothing"} → ${to}`}</span>
          </li>
        ))}
      </ul>
      {quiet.length > 0 && (
        <p className="faint">
          {quiet.length === wave.cells.length ? "No cell" : `Not ${quiet.map(({ cell }) => cell).join(", ")}, which`}{" "}
          sees enough requests to be compared; synthetic load is added there, and the other gates judge.
        </p>
      )}
    </li>
  );
}
