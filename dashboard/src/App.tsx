import { useQuery } from "@tanstack/react-query";
import { isSignedOut } from "./api/client.ts";
import { whoamiQuery } from "./api/queries.ts";
import { AuditPage } from "./audit/AuditPage.tsx";
import { FleetPage } from "./fleet/FleetPage.tsx";
import { Frame } from "./frame/Frame.tsx";
import { usePage } from "./frame/page.ts";
import { NumbersPage } from "./numbers/NumbersPage.tsx";
import { ProblemNote } from "./pieces/ProblemNote.tsx";
import { RolloutPage } from "./rollout/RolloutPage.tsx";
import { SignIn } from "./session/SignIn.tsx";
import { TenantsPage } from "./tenants/TenantsPage.tsx";

const pages = { fleet: FleetPage, rollout: RolloutPage, tenants: TenantsPage, numbers: NumbersPage, audit: AuditPage };

/** Who is there decides: the sign-in page, or the frame with the page that the address names. */
export function App() {
  const whoami = useQuery(whoamiQuery);
  const page = usePage();
  if (whoami.data !== undefined) {
    const Page = pages[page];
    return (
      <Frame page={page} whoami={whoami.data}>
        <Page whoami={whoami.data} />
      </Frame>
    );
  }
  if (whoami.isPending)
    return (
      <p className="boot" role="status">
        Connecting to the control plane …
      </p>
    );
  if (isSignedOut(whoami.error)) return <SignIn />;
  return (
    <main className="boot">
      <ProblemNote error={whoami.error} />
      <button type="button" className="button" onClick={() => void whoami.refetch()}>
        Try again
      </button>
    </main>
  );
}
