import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Line } from "../../../common/contracts/rollout-records.ts";
import { call } from "../api/client.ts";
import { lineQuery } from "../api/queries.ts";
import { Ago } from "../pieces/Ago.tsx";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";

/** Says that the line is stopped, by whom and why; nothing while it is not. */
export function LineNote() {
  const { data: line } = useQuery(lineQuery);
  if (line?.stopped !== true) return null;
  return (
    <section className="note tone-warn" role="alert">
      <p>
        <strong>The line is stopped.</strong> No rollout begins anything; judging and roll-backs go on.
      </p>
      <p className="faint">
        {line.by} {line.since !== null && <Ago at={line.since} />}: {line.reason}
      </p>
    </section>
  );
}

/** Stops every rollout at once, or lets them go on. */
export function LineSwitch() {
  const { data: line } = useQuery(lineQuery);
  const [asked, setAsked] = useState(false);
  if (line === undefined) return null;
  return (
    <>
      <button type="button" className={`button ${line.stopped ? "primary" : "danger"}`} onClick={() => setAsked(true)}>
        {line.stopped ? "Release the line" : "Stop the line"}
      </button>
      {asked && <LineDialog stopped={line.stopped} onClose={() => setAsked(false)} />}
    </>
  );
}

function LineDialog({ stopped, onClose }: { readonly stopped: boolean; readonly onClose: () => void }) {
  const client = useQueryClient();
  const send = useMutation({
    mutationFn: (reason: string | undefined) =>
      call<Line>("PUT", "/v1/line", { stopped: !stopped, reason: reason ?? "" }),
    onSuccess: async () => {
      onClose();
      await client.invalidateQueries();
    },
  });
  const verb = stopped ? "Release the line" : "Stop the line";
  return (
    <ReasonDialog
      title={`${verb}?`}
      explanation={
        stopped
          ? "All rollouts go on where they stand, and new ones may begin."
          : "All rollouts stop: cells in mid-change settle, nothing is begun, none may start. Judging and roll-backs go on."
      }
      confirm={verb}
      dangerous={!stopped}
      reasonRequired
      busy={send.isPending}
      error={send.error}
      onConfirm={(reason) => send.mutate(reason)}
      onClose={onClose}
    />
  );
}
