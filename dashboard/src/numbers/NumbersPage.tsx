import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Grouping, QueryAnswer } from "../../../common/contracts/rollups.ts";
import { type Measure, numbersQuery } from "../api/queries.ts";
import { Choice } from "../pieces/Choice.tsx";
import { PageHead } from "../pieces/PageHead.tsx";
import { Waiting } from "../pieces/Waiting.tsx";
import { CoverageBlock } from "./CoverageBlock.tsx";

const measures: Readonly<Record<Measure, string>> = { events: "Events", "active-users": "Active users" };
const groupings: Readonly<Record<Grouping, string>> = {
  tenant: "by tenant",
  tier: "by tier",
  cell: "by cell",
  region: "by region",
};

/** Totals over all cells. What an answer leaves out stands above its numbers, not in a footnote. */
export function NumbersPage() {
  const [measure, setMeasure] = useState<Measure>("events");
  const [by, setBy] = useState<Grouping>("tenant");
  const answer = useQuery(numbersQuery(measure, by));
  return (
    <>
      <PageHead title="Numbers" about="Totals over all cells, the last day, with what they cover">
        <Choice name="Measure" words={measures} value={measure} onChange={setMeasure} />
        <Choice name="Grouping" words={groupings} value={by} onChange={setBy} />
      </PageHead>
      <Waiting query={answer}>
        {(found) => (
          <>
            {!found.coverage.complete && <Partial answer={found} />}
            <Total answer={found} />
            <CoverageBlock coverage={found.coverage} />
          </>
        )}
      </Waiting>
    </>
  );
}

function Partial({ answer }: { readonly answer: QueryAnswer }) {
  const { failed, stale } = answer.coverage;
  const parts = [
    failed.length > 0 ? `${failed.join(", ")} left out` : "",
    stale.length > 0 ? `${stale.join(", ")} not current` : "",
  ];
  return (
    <div className="note tone-warn" role="alert">
      <strong>Partial answer</strong>
      <p>
        {parts.filter((part) => part !== "").join("; ") || "not every cell answered"}. The numbers below are not the
        whole.
      </p>
    </div>
  );
}

function Total({ answer }: { readonly answer: QueryAnswer }) {
  const rows = answer.rows.toSorted(
    (one, other) => other.value - one.value || one.key.localeCompare(other.key, "en", { numeric: true }),
  );
  const most = Math.max(1, ...rows.map((row) => row.value));
  const measure = measures[answer.name as Measure] ?? answer.name;
  return (
    <section className="card" aria-labelledby="total">
      <div className="card-head">
        <h2 id="total">
          {measure} {groupings[answer.by]}
        </h2>
        <p className="faint">
          {new Date(answer.from).toLocaleString()} – {new Date(answer.to).toLocaleString()}
        </p>
      </div>
      <p className="total">
        <span className="total-value">{answer.total.toLocaleString("en")}</span>{" "}
        {answer.coverage.complete ? "in total" : "in what was heard (partial)"}
      </p>
      <table className="bars">
        <thead>
          <tr>
            <th scope="col">{answer.by}</th>
            <th scope="col" className="number">
              {measure}
            </th>
            <th scope="col" className="number">
              Share
            </th>
            <td />
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.key}>
              <th scope="row">{row.key}</th>
              <td className="number">{row.value.toLocaleString("en")}</td>
              <td className="number faint">
                {answer.total === 0 ? "–" : `${((row.value / answer.total) * 100).toFixed(1)} %`}
              </td>
              <td className="bar-cell" aria-hidden="true">
                <span className="length" style={{ width: `${(row.value / most) * 100}%` }} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 && <p className="empty">Nothing was counted in this time.</p>}
    </section>
  );
}
