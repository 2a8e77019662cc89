import { useState } from "react";
import type { Rollout } from "../../../common/contracts/rollout.ts";
import { ReasonDialog } from "../pieces/ReasonDialog.tsx";
import { cellCommandFor, commandWords } from "./states.ts";
import { useCommand } from "./useCommand.ts";

/** Leaves a cell out that was not begun, or tries once more one that was left out or failed; nothing where neither can be. */
export function CellCommand({ rollout, cell }: { readonly rollout: Rollout; readonly cell: Rollout["cells"][number] }) {
  const [asked, setAsked] = useState<"skip-cell" | "retry-cell" | null>(null);
  const offered = cellCommandFor(rollout, cell);
  return (
    <span className="wave-cell-command">
      {offered !== null && (
        <button
          type="button"
          className="button quiet"
          aria-label={`${verbs[offered]} ${cell.cell}`}
          onClick={() => setAsked(offered)}
        >
          {verbs[offered]}
        </button>
      )}
      {asked !== null && (
        <CellDialog rollout={rollout} cell={cell.cell} command={asked} onClose={() => setAsked(null)} />
      )}
    </span>
  );
}

const verbs = { "skip-cell": "Skip", "retry-cell": "Retry" } as const;

function CellDialog({
  rollout,
  cell,
  command,
  onClose,
}: {
  readonly rollout: Rollout;
  readonly cell: Rollout["cells"][number]["cell"];
  readonly command: "skip-cell" | "retry-cell";
  readonly onClose: () => void;
}) {
  const send = useCommand(rollout, onClose);
  const { explanation, dangerous } = commandWords[command];
  return (
    <ReasonDialog
      title={`${verbs[command]} ${cell}?`}
      explanation={explanation}
      confirm={verbs[command]}
      dangerous={dangerous}
      busy={send.isPending}
      error={send.error}
      onConfirm={(reason) => send.mutate({ command, cell, ...(reason === undefined ? {} : { reason }) })}
      onClose={onClose}
    />
  );
}
