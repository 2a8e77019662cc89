import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Tenant } from "../../../common/contracts/control-plane.ts";
import { call } from "../api/client.ts";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";

/** Suspends or resumes a tenant, with a reason. One that is still being provisioned can be neither. */
export function TenantChange({ tenant }: { readonly tenant: Tenant }) {
  const client = useQueryClient();
  const [asked, setAsked] = useState(false);
  const verb = tenant.state === "suspended" ? "resume" : "suspend";
  const send = useMutation({
    mutationFn: (reason: string | undefined) =>
      call<Tenant>("POST", `/v1/tenants/${tenant.slug}/${verb}`, reason === undefined ? {} : { reason }),
    onSuccess: async () => {
      setAsked(false);
      await client.invalidateQueries();
    },
  });
  if (tenant.state === "provisioning") return null;
  const label = verb === "suspend" ? "Suspend" : "Resume";
  return (
    <>
      <button
        type="button"
        className="button quiet"
        aria-label={`${label} ${tenant.slug}`}
        onClick={() => setAsked(true)}
      >
        {label}
      </button>
      {asked && (
        <ReasonDialog
          title={`${label} ${tenant.slug}?`}
          explanation={
            verb === "suspend"
              ? "Its requests are refused with 403 and its jobs stop, until it is resumed. Nothing is deleted."
              : "Its requests and jobs are served again."
          }
          confirm={label}
          dangerous={verb === "suspend"}
          busy={send.isPending}
          error={send.error}
          onConfirm={(reason) => send.mutate(reason)}
          onClose={() => {
            setAsked(false);
            send.reset();
          }}
        />
      )}
    </>
  );
}
