import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { RolloutCommandRequest } from "../../../common/contracts/control-plane.ts";
import type { Rollout, RolloutCommand } from "../../../common/contracts/rollout.ts";
import { call } from "../api/client.ts";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";
import { commandsFor, commandWords } from "./states.ts";

/**
 * Buttons for what may be commanded now, each confirmed with a reason. A command names the plan that was looked at, so that it never
 * hits another rollout.
 */
export function Commands({ rollout }: { readonly rollout: Rollout }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState<RolloutCommand | null>(null);
  const send = useMutation({
    mutationFn: (request: RolloutCommandRequest) =>
      call<unknown>("POST", `/v1/rollouts/${rollout.id}/commands`, request),
    onSuccess: async () => {
      setAsked(null);
      await client.invalidateQueries();
    },
  });
  const close = () => {
    setAsked(null);
    send.reset();
  };
  return (
    <div className="buttons" role="group" aria-label="Commands">
      {commandsFor(rollout).map((command) => (
        <button
          key={command}
          type="button"
          className={`button ${command === "roll-back" ? "danger" : ""}`}
          onClick={() => setAsked(command)}
        >
          {commandWords[command].label}
        </button>
      ))}
      {asked !== null && (
        <ReasonDialog
          title={`${commandWords[asked].label} ${rollout.release}?`}
          explanation={commandWords[asked].explanation}
          confirm={commandWords[asked].label}
          dangerous={commandWords[asked].dangerous}
          busy={send.isPending}
          error={send.error}
          onConfirm={(reason) =>
            send.mutate({
              command: asked,
              planHash: rollout.plan.hash,
              ...(asked === "end-bake" ? { wave: rollout.wave, revision: rollout.revision } : {}),
              ...(reason === undefined ? {} : { reason }),
            })
          }
          onClose={close}
        />
      )}
    </div>
  );
}
