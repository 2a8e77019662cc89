import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useEffect } from "react";
import type { Whoami } from "../../../common/contracts/control-plane.ts";
import { call } from "../api/client.ts";
import { useLiveEvents } from "../api/events.ts";
import { overviewQuery, whoamiQuery } from "../api/queries.ts";
import { Icon, Mark } from "../pieces/Icon.tsx";
import { pageNames, type PageName } from "./page.ts";

const titles: Readonly<Record<PageName, string>> = {
  fleet: "Fleet",
  rollout: "Rollout",
  tenants: "Tenants",
  numbers: "Numbers",
  audit: "Audit",
};

/** What surrounds every page: the mark, the pages, whether what is shown is live, and who is signed in. */
export function Frame({
  page,
  whoami,
  children,
}: {
  readonly page: PageName;
  readonly whoami: Whoami;
  readonly children: ReactNode;
}) {
  useEffect(() => {
    document.title = `${titles[page]} · Cellplane`;
  }, [page]);
  return (
    <div className="frame">
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("content")?.focus();
        }}
      >
        Skip to content
      </a>
      <aside className="side">
        <a className="brand" href="#/fleet">
          <Mark />
          <span>Cellplane</span>
        </a>
        <nav aria-label="Pages">
          {pageNames.map((name) => (
            <a key={name} href={`#/${name}`} aria-current={name === page ? "page" : undefined}>
              <Icon name={name} />
              <span>{titles[name]}</span>
              {name === "rollout" && <RolloutMark />}
            </a>
          ))}
        </nav>
        <Foot whoami={whoami} />
      </aside>
      <main id="content" tabIndex={-1} className="content">
        {children}
      </main>
    </div>
  );
}

/** A dot beside "Rollout" while one is under way or waits for a person. */
function RolloutMark() {
  const { data } = useQuery(overviewQuery);
  const state = data?.rollout?.state;
  if (state === undefined || ["completed", "rolled-back", "rollback-failed", "cancelled"].includes(state)) return null;
  const tone = state === "waiting" || state === "halted" ? "warn" : "busy";
  return <span className={`side-dot tone-${tone}`} role="img" aria-label={`rollout ${state}`} />;
}

function Foot({ whoami }: { readonly whoami: Whoami }) {
  const live = useLiveEvents();
  const client = useQueryClient();
  const { data } = useQuery(overviewQuery);
  const signOut = useMutation({
    mutationFn: () => call<unknown>("DELETE", "/v1/sessions"),
    // First who we are, which closes the pages, then what they had been told.
    onSuccess: async () => {
      await client.resetQueries({ queryKey: whoamiQuery.queryKey });
      client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== whoamiQuery.queryKey[0] });
    },
  });
  return (
    <div className="side-foot">
      <p className="live" role="status">
        <span className={`dot tone-${live ? "good" : "warn"}`} aria-hidden="true" />
        {live ? "Live" : "Reconnecting …"}
      </p>
      {data !== undefined && (
        <p className="faint" title="Generation of the fleet document">
          {data.baseDomain}
          <br />
          generation {data.generation.term}.{data.generation.n}
        </p>
      )}
      <p className="who">
        <span className="who-name">{whoami.actor}</span>
        <span className="faint">{whoami.role}</span>
      </p>
      <button type="button" className="button quiet" onClick={() => signOut.mutate()} disabled={signOut.isPending}>
        Sign out
      </button>
    </div>
  );
}
