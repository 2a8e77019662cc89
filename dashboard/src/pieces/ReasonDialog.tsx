import { type ReactNode, type SubmitEvent, useEffect, useId, useRef, useState } from "react";
import { ProblemNote } from "./ProblemNote.tsx";

interface ReasonDialogProps {
  readonly title: string;
  /** What will happen, in one or two sentences. */
  readonly explanation: string;
  readonly confirm: string;
  readonly dangerous: boolean;
  /** It is not sent without one. */
  readonly reasonRequired?: boolean;
  /** What else is asked for, above the reason. */
  readonly children?: ReactNode;
  readonly busy: boolean;
  readonly error: unknown;
  readonly onConfirm: (reason: string | undefined) => void;
  readonly onClose: () => void;
}

/** Asks whether and why before anything is changed. The browser keeps the focus inside and closes it on Escape. */
export function ReasonDialog(props: ReasonDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState("");
  const heading = useId();
  const field = useId();
  useEffect(() => {
    dialog.current?.showModal();
  }, []);
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    props.onConfirm(reason.trim() === "" ? undefined : reason.trim());
  };
  return (
    <dialog ref={dialog} className="dialog" aria-labelledby={heading} onClose={props.onClose}>
      <form onSubmit={submit}>
        <h2 id={heading}>{props.title}</h2>
        <p>{props.explanation}</p>
        {props.children}
        <label htmlFor={field}>
          Reason{" "}
          <span className="faint">
            ({props.reasonRequired === true ? "needed, and " : ""}kept in history and audit)
          </span>
        </label>
        <input
          id={field}
          className="field"
          value={reason}
          maxLength={500}
          required={props.reasonRequired === true}
          autoFocus
          onChange={(event) => setReason(event.target.value)}
        />
        <ProblemNote error={props.error} />
        <div className="dialog-buttons">
          <button type="button" className="button" onClick={() => dialog.current?.close()}>
            Leave it
          </button>
          <button type="submit" className={`button ${props.dangerous ? "danger" : "primary"}`} disabled={props.busy}>
            {props.confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}
