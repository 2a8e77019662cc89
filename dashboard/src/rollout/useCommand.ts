import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { RolloutCommandRequest } from "../../../common/contracts/control-plane.ts";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { call } from "../api/client.ts";
import { bindingOf } from "./states.ts";

/**
 * Sends a command to a rollout, bound to what was on the screen when its dialog was opened: should the wave have changed meanwhile, it is refused
 * and never hits the next one.
 * @param onDone it was taken.
 */
export function useCommand(rollout: Rollout, onDone: () => void) {
  const client = useQueryClient();
  const [seen] = useState(rollout);
  return useMutation({
    mutationFn: (request: Omit<RolloutCommandRequest, "planHash" | "wave" | "revision">) =>
      call<unknown>("POST", `/v1/rollouts/${seen.id}/commands`, { ...request, ...bindingOf(seen, request.command) }),
    onSuccess: async () => {
      onDone();
      await client.invalidateQueries();
    },
  });
}
