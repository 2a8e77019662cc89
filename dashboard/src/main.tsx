import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { isSignedOut } from "./api/client.ts";
import { whoamiQuery } from "./api/queries.ts";
import { App } from "./App.tsx";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/frame.css";
import "./styles/pieces.css";
import "./styles/pages.css";

// A session that ended shows wherever it is noticed first: the sign-in page follows from who we are.
const noticeSignedOut = (error: unknown) => {
  // Several questions may be refused at once; who we are is asked again once.
  const known = client.getQueryData(whoamiQuery.queryKey) !== undefined;
  if (known && isSignedOut(error)) void client.resetQueries({ queryKey: whoamiQuery.queryKey });
};
const client: QueryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error, query) => {
      if (query.queryKey[0] !== whoamiQuery.queryKey[0]) noticeSignedOut(error);
    },
  }),
  mutationCache: new MutationCache({ onError: noticeSignedOut }),
  defaultOptions: { queries: { retry: 1, retryDelay: 1000, staleTime: 1000 } },
});

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no place for the dashboard");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
