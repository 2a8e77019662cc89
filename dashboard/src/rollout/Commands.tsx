import { type ReactNode, useState } from "react";
import {
  overrideVerdicts,
  type OverrideVerdict,
  type Rollout,
  type RolloutCommand,
} from "../../../common/contracts/rollout.ts";
import { Choice } from "../pieces/Choice.tsx";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";
import { commandsFor, commandWords } from "./states.ts";
import { useCommand } from "./useCommand.ts";

/** Buttons for what may be commanded of the whole rollout now, each confirmed with a reason. */
export function Commands({ rollout }: { readonly rollout: Rollout }) {
  const [asked, setAsked] = useState<RolloutCommand | null>(null);
  const close = () => setAsked(null);
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
      {asked === "extend-bake" && <ExtendDialog rollout={rollout} onClose={close} />}
      {asked === "override" && <OverrideDialog rollout={rollout} onClose={close} />}
      {asked !== null && asked !== "extend-bake" && asked !== "override" && (
        <PlainDialog rollout={rollout} command={asked} onClose={close} />
      )}
    </div>
  );
}

interface DialogProps {
  readonly rollout: Rollout;
  readonly onClose: () => void;
}

function PlainDialog({ command, ...props }: DialogProps & { readonly command: RolloutCommand }) {
  return <CommandDialog {...props} command={command} />;
}

const extensions = { 60: "1 min", 900: "15 min", 3600: "1 h", 14_400: "4 h" } as const;

function ExtendDialog(props: DialogProps) {
  const [seconds, setSeconds] = useState("900");
  return (
    <CommandDialog {...props} command="extend-bake" details={{ seconds: Number(seconds) }}>
      <Choice name="How much longer" words={extensions} value={seconds} onChange={setSeconds} />
    </CommandDialog>
  );
}

const verdictWords: Readonly<Record<OverrideVerdict, string>> = { PASS: "PASS: go on", FAIL: "FAIL: roll back" };

/** The one command that needs a reason, for it stands where the judge's would. */
function OverrideDialog(props: DialogProps) {
  const [verdict, setVerdict] = useState<OverrideVerdict>(overrideVerdicts[0]);
  return (
    <CommandDialog {...props} command="override" details={{ verdict }} reasonRequired>
      <Choice name="Verdict" words={verdictWords} value={verdict} onChange={setVerdict} />
    </CommandDialog>
  );
}

function CommandDialog({
  rollout,
  command,
  details = {},
  reasonRequired = false,
  onClose,
  children,
}: DialogProps & {
  readonly command: RolloutCommand;
  readonly details?: { readonly seconds?: number; readonly verdict?: OverrideVerdict };
  readonly reasonRequired?: boolean;
  readonly children?: ReactNode;
}) {
  const send = useCommand(rollout, onClose);
  const { label, explanation, dangerous } = commandWords[command];
  return (
    <ReasonDialog
      title={`${label}: ${rollout.release}?`}
      explanation={explanation}
      confirm={label}
      dangerous={dangerous}
      reasonRequired={reasonRequired}
      busy={send.isPending}
      error={send.error}
      onConfirm={(reason) => send.mutate({ command, ...details, ...(reason === undefined ? {} : { reason }) })}
      onClose={onClose}
    >
      {children}
    </ReasonDialog>
  );
}
