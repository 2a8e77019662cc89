import type { HistoryEntry, Verdict } from "../../../common/contracts/rollout.ts";
import { Badge } from "../pieces/Badge.tsx";
import type { Tone } from "../pieces/tone.ts";

const verdictTones: Readonly<Record<Verdict["verdict"], Tone>> = { PASS: "good", FAIL: "bad", INCONCLUSIVE: "warn" };

/** What happened, latest first; a verdict opens to the record from which it can be judged again. */
export function History({ entries }: { readonly entries: readonly HistoryEntry[] }) {
  return (
    <section className="card" aria-labelledby="history">
      <div className="card-head">
        <h2 id="history">History</h2>
        <p className="faint">latest first; a verdict opens to its record</p>
      </div>
      <ol className="history">
        {entries
          .map((entry, position) => ({ entry, position }))
          .toReversed()
          .map(({ entry, position }) => (
            <li key={position}>
              <time className="mono faint" dateTime={entry.at} title={new Date(entry.at).toLocaleString()}>
                {new Date(entry.at).toLocaleTimeString([], { hour12: false })}
              </time>
              <div>
                <Entry entry={entry} />
              </div>
            </li>
          ))}
      </ol>
    </section>
  );
}

function Entry({ entry }: { readonly entry: HistoryEntry }) {
  const where = [entry.wave === null ? null : `wave ${entry.wave}`, entry.cell]
    .filter((word) => word !== null)
    .join(" · ");
  const reason = entry.reason ?? entry.verdict?.reason ?? null;
  const line = (
    <>
      <span className="history-event">{entry.event}</span>
      {where !== "" && <span className="faint">{where}</span>}
      {entry.verdict !== undefined && (
        <Badge
          tone={verdictTones[entry.verdict.verdict]}
        >{`${entry.verdict.verdict} · ${entry.verdict.gate} · ${entry.verdict.traffic}`}</Badge>
      )}
      <span className="faint">{entry.actor}</span>
      {reason !== null && <span className="history-reason">{reason}</span>}
    </>
  );
  if (entry.verdict === undefined) return <p className="history-line">{line}</p>;
  return (
    <details>
      <summary>
        <span className="history-line">{line}</span>
      </summary>
      <Explain verdict={entry.verdict} />
    </details>
  );
}

function Explain({ verdict }: { readonly verdict: Verdict }) {
  return (
    <dl className="explain">
      <dt>Reason</dt>
      <dd>{verdict.reason}</dd>
      <dt>Formula</dt>
      <dd className="mono">{verdict.formula}</dd>
      <dt>Thresholds</dt>
      <dd>
        <Numbers numbers={verdict.thresholds} />
      </dd>
      <dt>Numbers</dt>
      <dd>
        <Numbers numbers={verdict.numbers} />
      </dd>
      <dt>Heard</dt>
      <dd>{verdict.sources.join(", ") || "nobody"}</dd>
      <dt>Not heard</dt>
      <dd>{verdict.missing.join(", ") || "nobody was missing"}</dd>
    </dl>
  );
}

function Numbers({ numbers }: { readonly numbers: Readonly<Record<string, number>> }) {
  const pairs = Object.entries(numbers);
  if (pairs.length === 0) return <span className="faint">none</span>;
  return (
    <ul className="pairs">
      {pairs.map(([name, value]) => (
        <li key={name}>
          <span className="faint">{name}</span>{" "}
          <span className="mono">{Number.isInteger(value) ? value.toLocaleString("en") : value.toPrecision(5)}</span>
        </li>
      ))}
    </ul>
  );
}
