import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useId, useState } from "react";
import type { Overview } from "../../../common/contracts/control-plane.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { call } from "../api/client.ts";
import { planQuery, releasesQuery } from "../api/queries.ts";
import { ProblemNote } from "../pieces/ProblemNote.tsx";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";
import { Waiting } from "../pieces/Waiting.tsx";
import { PlanPreview } from "./PlanPreview.tsx";

/** Plans a rollout of a stored release, and begins it when somebody agrees. Shown while none is under way, because there is one at a time. */
export function StartRollout({
  temporal,
  onStarted,
}: {
  readonly temporal: Overview["temporal"];
  readonly onStarted: () => void;
}) {
  const releases = useQuery(releasesQuery);
  const select = useId();
  const [release, setRelease] = useState("");
  const [asked, setAsked] = useState(false);
  const ask = (event: SubmitEvent) => {
    event.preventDefault();
    setAsked(true);
  };
  if (temporal === "missing")
    return (
      <p className="card empty">
        Rollouts need Temporal, and this fleet was started without it. Install Temporal's CLI and run npm start again.
      </p>
    );
  // The dialog has a form of its own, and forms do not nest: it stands beside this one.
  return (
    <>
      <form className="card start" onSubmit={ask}>
        <label htmlFor={select}>Roll out</label>
        <select
          id={select}
          className="field"
          value={release}
          required
          onChange={(event) => setRelease(event.target.value)}
        >
          <option value="" disabled>
            choose a release
          </option>
          {(releases.data ?? []).map((one) => (
            <option key={one.name} value={one.name} disabled={one.state === "quarantined"}>
              {one.name}
              {one.state === "quarantined" ? " (quarantined)" : ""}
            </option>
          ))}
        </select>
        <button type="submit" className="button primary" disabled={release === ""}>
          Start rollout
        </button>
        <ProblemNote error={releases.data === undefined ? releases.error : null} />
      </form>
      {asked && (
        <StartDialog
          release={release}
          onStarted={() => {
            setAsked(false);
            onStarted();
          }}
          onClose={() => setAsked(false)}
        />
      )}
    </>
  );
}

/** Shows the plan, and starts exactly that one: where the fleet has changed since, it is refused. */
function StartDialog({
  release,
  onStarted,
  onClose,
}: {
  readonly release: string;
  readonly onStarted: () => void;
  readonly onClose: () => void;
}) {
  const client = useQueryClient();
  const plan = useQuery(planQuery(release));
  const start = useMutation({
    mutationFn: (reason: string | undefined) =>
      call<Rollout>("POST", "/v1/rollouts", {
        release,
        plan: plan.data?.hash,
        ...(reason === undefined ? {} : { reason }),
      }),
    onSuccess: async () => {
      onStarted();
      await client.invalidateQueries();
    },
  });
  return (
    <ReasonDialog
      title={`Roll out ${release}?`}
      explanation="A failed gate stops it and rolls it back by itself."
      confirm="Start rollout"
      dangerous={false}
      busy={start.isPending || plan.data === undefined}
      error={start.error}
      onConfirm={(reason) => start.mutate(reason)}
      onClose={onClose}
    >
      <Waiting query={plan}>{(planned) => <PlanPreview plan={planned} />}</Waiting>
    </ReasonDialog>
  );
}
