import { useQuery } from "@tanstack/react-query";
import type { Overview } from "../../../common/contracts/control-plane.ts";
import { overviewQuery } from "../api/queries.ts";
import { PageHead } from "../pieces/PageHead.tsx";
import { Waiting } from "../pieces/Waiting.tsx";
import { CellMatrix } from "./CellMatrix.tsx";
import { Parts } from "./Parts.tsx";

/** The whole at a glance: which cell runs what, and how it is. */
export function FleetPage() {
  const overview = useQuery(overviewQuery);
  return (
    <>
      <PageHead title="Fleet" about="Every cell, the release it serves, and its health" />
      <Waiting query={overview}>
        {(fleet) => (
          <>
            <Tiles fleet={fleet} />
            <CellMatrix fleet={fleet} />
            <Parts fleet={fleet} />
          </>
        )}
      </Waiting>
    </>
  );
}

function Tiles({ fleet }: { readonly fleet: Overview }) {
  const healthy = fleet.cells.filter((cell) => cell.health === "healthy").length;
  const tiers = Object.entries(fleet.tenants.byTier).filter(([tier, count]) => count > 0 && tier !== "synthetic");
  const unserved = fleet.tenants.total - (fleet.tenants.byState["active"] ?? 0);
  return (
    <dl className="tiles">
      <Tile
        name="Cells healthy"
        value={`${healthy} of ${fleet.cells.length}`}
        more={regionsOf(fleet)}
        alarm={healthy < fleet.cells.length}
      />
      <Tile
        name="Tenants"
        value={String(fleet.tenants.total)}
        more={unserved === 0 ? tiers.map(([tier, count]) => `${count} ${tier}`).join(", ") : `${unserved} not active`}
        alarm={false}
      />
      <Tile name="Release" value={releasesOf(fleet).join(", ") || "none"} more={fleet.application} alarm={false} />
      <Tile
        name="Operations"
        value={temporalText[fleet.temporal].value}
        more={temporalText[fleet.temporal].more}
        alarm={fleet.temporal === "unreachable"}
      />
    </dl>
  );
}

const temporalText: Readonly<Record<Overview["temporal"], { readonly value: string; readonly more: string }>> = {
  reachable: { value: "Ready", more: "Temporal answers" },
  unreachable: { value: "Waiting", more: "Temporal does not answer; rollouts wait" },
  missing: { value: "Off", more: "no Temporal here; rollouts are refused" },
};

function Tile({
  name,
  value,
  more,
  alarm,
}: {
  readonly name: string;
  readonly value: string;
  readonly more: string;
  readonly alarm: boolean;
}) {
  return (
    <div className={`tile ${alarm ? "alarm" : ""}`}>
      <dt>{name}</dt>
      <dd className="tile-value">{value}</dd>
      <dd className="faint">{more}</dd>
    </div>
  );
}

function regionsOf(fleet: Overview): string {
  const regions = [...new Set(fleet.cells.map((cell) => cell.region))].toSorted();
  return `in ${regions.join(", ") || "no region"}`;
}

function releasesOf(fleet: Overview): string[] {
  return [...new Set(fleet.cells.flatMap((cell) => cell.release ?? []))].toSorted();
}
