import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Whoami } from "../../../common/contracts/control-plane.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { overviewQuery, rolloutQuery, rolloutsQuery } from "../api/queries.ts";
import { Ago } from "../pieces/Ago.tsx";
import { Badge } from "../pieces/Badge.tsx";
import { PageHead } from "../pieces/PageHead.tsx";
import { Waiting } from "../pieces/Waiting.tsx";
import { Commands } from "./Commands.tsx";
import { History } from "./History.tsx";
import { LineNote, LineSwitch } from "./LineSwitch.tsx";
import { StartRollout } from "./StartRollout.tsx";
import { isFinal, stateTones } from "./states.ts";
import { Waves } from "./Waves.tsx";

/** The running rollout, else the latest; an older one when a person picks it. */
export function RolloutPage({ whoami }: { readonly whoami: Whoami }) {
  const overview = useQuery(overviewQuery);
  const [picked, setPicked] = useState<string | null>(null);
  const mayOperate = whoami.role !== "viewer";
  return (
    <>
      <PageHead title="Rollout" about="A release on its way to the cells, wave by wave">
        {mayOperate ? <LineSwitch /> : undefined}
      </PageHead>
      <LineNote />
      <Waiting query={overview}>
        {(fleet) => {
          const id = picked ?? fleet.rollout?.id ?? null;
          const open = fleet.rollout !== null && !isFinal(fleet.rollout.state);
          return (
            <>
              {mayOperate && !open && <StartRollout temporal={fleet.temporal} onStarted={() => setPicked(null)} />}
              {id === null ? (
                <p className="card empty">No rollout yet. The cells run what they were provisioned with.</p>
              ) : (
                <OneRollout id={id} mayOperate={mayOperate} />
              )}
              <Earlier current={id} onPick={setPicked} />
            </>
          );
        }}
      </Waiting>
    </>
  );
}

function OneRollout({ id, mayOperate }: { readonly id: string; readonly mayOperate: boolean }) {
  const query = useQuery(rolloutQuery(id));
  return (
    <Waiting query={query}>
      {(rollout) => (
        <>
          <Summary rollout={rollout} mayOperate={mayOperate} />
          <Waves rollout={rollout} mayOperate={mayOperate} />
          <History entries={rollout.history} />
        </>
      )}
    </Waiting>
  );
}

function Summary({ rollout, mayOperate }: { readonly rollout: Rollout; readonly mayOperate: boolean }) {
  const waiting = rollout.waitingFor === null ? "" : ` for ${rollout.waitingFor}`;
  return (
    <section className="card summary" aria-labelledby="rollout-name">
      <div className="card-head">
        <h2 id="rollout-name" className="mono">
          {rollout.release}
        </h2>
        <div role="status" className="badges">
          <Badge tone={stateTones[rollout.state]}>
            {rollout.state}
            {waiting}
          </Badge>
          {rollout.paused && <Badge tone="warn">paused</Badge>}
        </div>
        {mayOperate && <Commands rollout={rollout} />}
      </div>
      {rollout.reason !== null && <p className={`note tone-${stateTones[rollout.state]}`}>{rollout.reason}</p>}
      <p className="faint">
        Started by {rollout.requestedBy} <Ago at={rollout.createdAt} /> · changed <Ago at={rollout.updatedAt} /> ·
        migrations: {rollout.plan.migrationClass ?? "none"} · plan{" "}
        <span className="mono" title={rollout.plan.hash}>
          {rollout.plan.hash.slice(0, 12)}
        </span>
      </p>
    </section>
  );
}

function Earlier({ current, onPick }: { readonly current: string | null; readonly onPick: (id: string) => void }) {
  const { data } = useQuery(rolloutsQuery);
  if (data === undefined || data.length < 2) return null;
  return (
    <section className="card" aria-labelledby="earlier">
      <div className="card-head">
        <h2 id="earlier">All rollouts</h2>
      </div>
      <div className="scroll">
        <table>
          <thead>
            <tr>
              <th scope="col">Release</th>
              <th scope="col">State</th>
              <th scope="col">By</th>
              <th scope="col">Started</th>
              <th scope="col">Reason</th>
            </tr>
          </thead>
          <tbody>
            {data.map((rollout) => (
              <tr key={rollout.id} className={rollout.id === current ? "picked" : undefined}>
                <th scope="row">
                  <button
                    type="button"
                    className="link mono"
                    aria-current={rollout.id === current}
                    onClick={() => onPick(rollout.id)}
                  >
                    {rollout.release}
                  </button>
                </th>
                <td>
                  <Badge tone={stateTones[rollout.state]}>{rollout.state}</Badge>
                </td>
                <td>{rollout.requestedBy}</td>
                <td className="faint">
                  <Ago at={rollout.createdAt} />
                </td>
                <td className="faint clip">{rollout.reason ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
