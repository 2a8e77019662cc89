import type { Coverage } from "../../../common/contracts/rollups.ts";
import { Ago } from "../pieces/Ago.tsx";
import { Badge } from "../pieces/Badge.tsx";
import type { Tone } from "../pieces/tone.ts";

type Standing = "answered" | "stale" | "left out";
const tones: Readonly<Record<Standing, Tone>> = { answered: "good", stale: "warn", "left out": "bad" };

/** Which cells an answer contains, and how old each part is (I10). */
export function CoverageBlock({ coverage }: { readonly coverage: Coverage }) {
  return (
    <section className="card" aria-labelledby="coverage">
      <div className="card-head">
        <h2 id="coverage">Coverage</h2>
        <Badge tone={coverage.complete ? "good" : "warn"}>{coverage.complete ? "complete" : "partial"}</Badge>
        <p className="faint">
          {coverage.answered.length} of {coverage.expected.length} cells answered
        </p>
      </div>
      <ul className="coverage">
        {coverage.expected.map((cell) => (
          <li key={cell} className={`coverage-cell tone-${tones[standingOf(coverage, cell)]}`}>
            <span className="mono">{cell}</span>
            <Badge tone={tones[standingOf(coverage, cell)]}>{standingOf(coverage, cell)}</Badge>
            <span className="faint">
              as of <Ago at={coverage.asOf[cell] ?? null} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function standingOf(coverage: Coverage, cell: Coverage["expected"][number]): Standing {
  if (coverage.failed.includes(cell)) return "left out";
  return coverage.stale.includes(cell) ? "stale" : "answered";
}
