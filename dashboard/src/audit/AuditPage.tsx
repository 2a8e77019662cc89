import { useQuery } from "@tanstack/react-query";
import { auditQuery, auditVerificationQuery } from "../api/queries.ts";
import { Ago } from "../pieces/Ago.tsx";
import { Badge } from "../pieces/Badge.tsx";
import { PageHead } from "../pieces/PageHead.tsx";
import { Waiting } from "../pieces/Waiting.tsx";

/** Who did what. Each entry's hash contains that of the one before, so that none can be taken out unnoticed. */
export function AuditPage() {
  const audit = useQuery(auditQuery);
  return (
    <>
      <PageHead title="Audit" about="Who did what, and why; latest first">
        <ChainBadge />
      </PageHead>
      <Waiting query={audit}>
        {(entries) => (
          <section className="card" aria-label="Audit entries">
            <div className="scroll">
              <table>
                <thead>
                  <tr>
                    <th scope="col" className="number">
                      #
                    </th>
                    <th scope="col">When</th>
                    <th scope="col">Who</th>
                    <th scope="col">What</th>
                    <th scope="col">On</th>
                    <th scope="col">Outcome</th>
                    <th scope="col">Reason</th>
                    <th scope="col">Hash</th>
                  </tr>
                </thead>
                <tbody>
                  {entries.map((entry) => (
                    <tr key={entry.sequence}>
                      <td className="number faint">{entry.sequence}</td>
                      <td>
                        <Ago at={entry.at} />
                      </td>
                      <td>{entry.actor}</td>
                      <td className="mono">{entry.action}</td>
                      <td className="mono clip">{entry.target}</td>
                      <td>
                        <Badge tone={entry.outcome === "done" ? "good" : "warn"}>{entry.outcome}</Badge>
                      </td>
                      <td className="clip">{entry.reason ?? ""}</td>
                      <td className="mono faint" title={entry.hash}>
                        {entry.hash.slice(0, 10)}
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            {entries.length === 0 && <p className="empty">Nothing has been done yet.</p>}
          </section>
        )}
      </Waiting>
    </>
  );
}

/** Whether the chain of hashes holds from the first entry to the last. */
function ChainBadge() {
  const { data } = useQuery(auditVerificationQuery);
  if (data === undefined) return null;
  return data.intact ? (
    <Badge tone="good">chain intact</Badge>
  ) : (
    <Badge tone="bad">{`chain broken at ${data.brokenAt ?? "its end"}: ${data.why ?? "unknown"}`}</Badge>
  );
}
