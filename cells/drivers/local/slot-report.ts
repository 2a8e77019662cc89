import type { Slot } from "../../../common/contracts/lease.ts";
import type { ReleaseRef, SlotReport } from "../driver.ts";
import type { ProcessWord } from "./cell-admin.ts";

/** The live slot as a cell's own processes say; undefined where none of them knows. */
export function liveSlotIn(words: readonly ProcessWord[]): Slot | undefined {
  for (const word of words) if (word.kind === "status" && word.status.incarnation !== "") return word.status.liveSlot;
  return undefined;
}

/** The highest claim that a cell's own processes have seen. */
export function claimIn(words: readonly ProcessWord[]): number {
  return Math.max(0, ...words.map((word) => (word.kind === "status" ? (word.status.claimToken ?? 0) : 0)));
}

/** What a slot's processes say together: API and worker are ready together or not at all. */
export function slotReport(release: ReleaseRef | null, words: readonly ProcessWord[]): SlotReport {
  if (release === null) return { release: null, digest: null, ready: false, problems: [] };
  const problems = words.flatMap((word, index) =>
    problemsOf(word).map((problem) => (index === 0 ? problem : `worker: ${problem}`)),
  );
  const [api] = words;
  const status = api?.kind === "status" ? api.status : null;
  return {
    release: status?.release ?? release.name,
    digest: status?.digest ?? null,
    ready: problems.length === 0,
    problems,
  };
}

function problemsOf(word: ProcessWord): readonly string[] {
  switch (word.kind) {
    case "status":
      return word.status.ready ? [] : word.status.problems;
    case "readiness":
      return word.ready ? [] : word.problems;
    case "silent":
      return ["it does not answer"];
    default:
      return word satisfies never;
  }
}
