import type { CellStep, Rollout } from "../../../common/contracts/rollout.ts";
import { useNow } from "../frame/clock.ts";
import { span } from "../pieces/span.ts";
import { Badge } from "../pieces/Badge.tsx";
import { CellCommand } from "./CellCommand.tsx";
import { forwardSteps, stepsDone, stepTone, waveTones } from "./states.ts";

type Wave = Rollout["waves"][number];

/** The waves with their cells, top to bottom as they are changed. */
export function Waves({ rollout, mayOperate }: { readonly rollout: Rollout; readonly mayOperate: boolean }) {
  return (
    <section className="card" aria-labelledby="waves">
      <div className="card-head">
        <h2 id="waves">Waves</h2>
        <p className="faint">planned for {span(rollout.plan.expectedSeconds)}</p>
      </div>
      <ol className="waves">
        {rollout.waves.map((wave) => (
          <li
            key={wave.number}
            className={`wave tone-${waveTones[wave.state]}`}
            aria-current={wave.number === rollout.wave ? "step" : undefined}
          >
            <WaveHead wave={wave} rollout={rollout} />
            <ul className="wave-cells">
              {rollout.cells
                .filter((cell) => cell.wave === wave.number)
                .map((cell) => (
                  <li key={cell.cell} className="wave-cell">
                    <span className="mono wave-cell-name">{cell.cell}</span>
                    <span className="mono faint wave-cell-way">
                      {cell.from ?? "nothing"} → {cell.to}
                    </span>
                    <Track step={cell.step} />
                    {mayOperate && <CellCommand rollout={rollout} cell={cell} />}
                    {cell.error !== null && <span className="problem-line">{cell.error}</span>}
                  </li>
                ))}
            </ul>
          </li>
        ))}
      </ol>
    </section>
  );
}

function WaveHead({ wave, rollout }: { readonly wave: Wave; readonly rollout: Rollout }) {
  const planned = rollout.plan.waves.find((one) => one.number === wave.number);
  const risk = Object.entries(planned?.tenantsAtRisk ?? {}).filter(([, count]) => count > 0);
  return (
    <div className="wave-head">
      <h3>{wave.number === 1 ? "Wave 1 · canary" : `Wave ${wave.number}`}</h3>
      <Badge tone={waveTones[wave.state]}>{wave.state}</Badge>
      {wave.state === "baking" && wave.bakeEndsAt !== null && (
        <Bake endsAt={wave.bakeEndsAt} seconds={planned?.bakeSeconds ?? 0} />
      )}
      <span className="faint wave-risk">
        {risk.length === 0
          ? "no tenants at risk"
          : `tenants at risk: ${risk.map(([tier, count]) => `${count} ${tier}`).join(", ")}`}
      </span>
    </div>
  );
}

/** What is left of a bake; the bar says the same and is silent for screen readers, which get the words when they ask. */
function Bake({ endsAt, seconds }: { readonly endsAt: string; readonly seconds: number }) {
  const left = (Date.parse(endsAt) - useNow()) / 1000;
  const done = seconds <= 0 ? 1 : Math.min(1, Math.max(0, 1 - left / seconds));
  return (
    <span className="bake">
      <progress className="bake-bar" value={done} max={1} aria-label="bake" />
      {left > 0 ? `${span(left)} left` : "judging"}
    </span>
  );
}

function Track({ step }: { readonly step: CellStep }) {
  const done = stepsDone(step);
  return (
    <span className={`track tone-${stepTone(step)}`}>
      <span className="track-bars" aria-hidden="true">
        {forwardSteps.map((name, position) => (
          <span key={name} title={name} className={done !== null && position < done ? "bar full" : "bar"} />
        ))}
      </span>
      <span className="track-word">{step}</span>
    </span>
  );
}
