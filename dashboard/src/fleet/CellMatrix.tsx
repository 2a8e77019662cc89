import type { Cell, Overview } from "../../../common/contracts/control-plane.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { Ago } from "../pieces/Ago.tsx";
import { Badge } from "../pieces/Badge.tsx";
import { healthTones } from "./health.ts";

type Step = Rollout["cells"][number];

/** Cells down, releases across: a mark where a cell serves a release, the step where a rollout is bringing it. */
export function CellMatrix({ fleet }: { readonly fleet: Overview }) {
  const rollout = fleet.rollout !== null && isOpen(fleet.rollout) ? fleet.rollout : null;
  const releases = columnsOf(fleet.cells, rollout);
  return (
    <section className="card" aria-labelledby="cells">
      <div className="card-head">
        <h2 id="cells">Cells and releases</h2>
        {rollout !== null && (
          <a href="#/rollout">
            {rollout.release}: {rollout.state}
            {rollout.wave === null ? "" : `, wave ${rollout.wave} of ${rollout.waves.length}`}
          </a>
        )}
      </div>
      <div className="scroll">
        <table className="matrix">
          <thead>
            <tr>
              <th scope="col">Cell</th>
              <th scope="col">Region</th>
              <th scope="col">Health</th>
              {releases.map((release) => (
                <th key={release} scope="col" className="release-column mono">
                  {release}
                </th>
              ))}
              <th scope="col" className="number">
                Tenants
              </th>
              <th scope="col">Slot</th>
              <th scope="col">Checked</th>
            </tr>
          </thead>
          <tbody>
            {fleet.cells.map((cell) => (
              <CellRow
                key={cell.id}
                cell={cell}
                releases={releases}
                step={rollout?.cells.find((one) => one.cell === cell.id)}
              />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function CellRow({
  cell,
  releases,
  step,
}: {
  readonly cell: Cell;
  readonly releases: readonly string[];
  readonly step: Step | undefined;
}) {
  return (
    <tr>
      <th scope="row" className="mono">
        {cell.id}
        {cell.cordoned && <span className="tag">cordoned</span>}
      </th>
      <td>{cell.region}</td>
      <td>
        <Badge tone={healthTones[cell.health]}>{cell.health}</Badge>
        {cell.problems.map((problem) => (
          <div key={problem} className="problem-line">
            {problem}
          </div>
        ))}
        {cell.alarms?.map(({ code, detail }) => (
          <div key={code} className="problem-line" title={code}>
            {detail}
          </div>
        ))}
      </td>
      {releases.map((release) => (
        <td key={release} className="release-column">
          <ReleaseMark cell={cell} release={release} step={step} />
        </td>
      ))}
      <td className="number">{cell.tenants}</td>
      <td className="mono">{cell.liveSlot}</td>
      <td className="faint">
        <Ago at={cell.checkedAt} />
      </td>
    </tr>
  );
}

function ReleaseMark({
  cell,
  release,
  step,
}: {
  readonly cell: Cell;
  readonly release: string;
  readonly step: Step | undefined;
}) {
  if (cell.release === release)
    return (
      <span
        className={`live-mark tone-${healthTones[cell.health]}`}
        role="img"
        aria-label={`${cell.id} serves ${release}`}
      />
    );
  if (step?.to === release && step.step !== "pending") return <span className="step-word">{step.step}</span>;
  if (step?.to === release)
    return <span className="planned-mark" role="img" aria-label={`${cell.id} will get ${release}`} />;
  return (
    <span className="faint" aria-label="no">
      ·
    </span>
  );
}

function columnsOf(cells: readonly Cell[], rollout: Rollout | null): string[] {
  const names = new Set<string>(cells.flatMap((cell) => cell.release ?? []));
  if (rollout !== null) names.add(rollout.release);
  return [...names].toSorted((one, other) => one.localeCompare(other, "en", { numeric: true }));
}

function isOpen(rollout: Rollout): boolean {
  return !["completed", "rolled-back", "rollback-failed", "cancelled"].includes(rollout.state);
}
