import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type SubmitEvent, useEffect, useRef, useState } from "react";
import type { Whoami } from "../../../common/contracts/control-plane.ts";
import { call } from "../api/client.ts";
import { whoamiQuery } from "../api/queries.ts";
import { Mark } from "../pieces/Icon.tsx";
import { ProblemNote } from "../pieces/ProblemNote.tsx";

/** Signs in with the one-time code that `npm start` shows, or at once by a link that ends in `#code=…`. */
export function SignIn() {
  const client = useQueryClient();
  const [code, setCode] = useState("");
  const signIn = useMutation({
    mutationFn: (text: string) => call<Whoami>("POST", "/v1/sessions", { code: text }),
    onSuccess: (whoami) => client.setQueryData(whoamiQuery.queryKey, whoami),
  });
  useCodeOfLink(signIn.mutate);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    signIn.mutate(code.trim());
  };
  return (
    <main className="sign-in">
      <form className="card" onSubmit={submit}>
        <div className="brand">
          <Mark />
          <span>Cellplane</span>
        </div>
        <h1>Sign in</h1>
        <label htmlFor="code">One-time code</label>
        <input
          id="code"
          className="field mono"
          value={code}
          autoComplete="one-time-code"
          spellCheck={false}
          autoFocus
          required
          onChange={(event) => setCode(event.target.value)}
        />
        <button type="submit" className="button primary" disabled={signIn.isPending || code.trim() === ""}>
          {signIn.isPending ? "Signing in …" : "Sign in"}
        </button>
        <ProblemNote error={signIn.error} />
        <p className="faint">
          <code>npm start</code> ends by showing a code; <code>npx cellplane sign-in</code> makes another.
        </p>
      </form>
    </main>
  );
}

/** Takes the code out of the address first, so that it stays neither in the history nor on the screen. It works once, so it is sent once. */
function useCodeOfLink(send: (code: string) => void): void {
  const sent = useRef(false);
  useEffect(() => {
    const code = new URLSearchParams(window.location.hash.slice(1)).get("code");
    if (code === null || code === "" || sent.current) return;
    sent.current = true;
    window.history.replaceState(null, "", "#/fleet");
    send(code);
  }, [send]);
}
