import type { Overview } from "../../../common/contracts/control-plane.ts";
import { Badge } from "../pieces/Badge.tsx";
import type { Tone } from "../pieces/tone.ts";

const tones: Readonly<Record<Overview["parts"][number]["state"], Tone>> = { up: "good", down: "bad", unknown: "calm" };

/** The parts beside the cells. None of them is needed for a tenant to be served, the router excepted. */
export function Parts({ fleet }: { readonly fleet: Overview }) {
  const parts = fleet.parts.filter((part) => part.role !== "cell" && part.role !== "publisher");
  return (
    <section className="card" aria-labelledby="parts">
      <div className="card-head">
        <h2 id="parts">Parts</h2>
        <p className="faint">Tenants need the router and their own cell, nothing else here.</p>
      </div>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col">Role</th>
              <th scope="col">State</th>
              <th scope="col">Address</th>
            </tr>
          </thead>
          <tbody>
            {parts.map((part) => (
              <tr key={part.id}>
                <th scope="row" className="mono">
                  {part.id}
                </th>
                <td>{part.role}</td>
                <td>
                  <Badge tone={tones[part.state]}>{part.state}</Badge>
                </td>
                <td className="mono faint">{part.url ?? "–"}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
