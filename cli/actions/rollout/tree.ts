import type { Rollout } from "../../../common/contracts/rollout.ts";
import { duration } from "../../text.ts";

type Wave = Rollout["waves"][number];
type WaveCell = Rollout["cells"][number];

/** A rollout as a tree of waves and cells, one string a line. Pure: the same rollout at the same moment, the same lines. */
export function rolloutTree(rollout: Rollout, nowMs: number): string[] {
  const lines = [
    headline(rollout),
    ...rollout.waves.flatMap((wave, position) =>
      waveLines(rollout, wave, position === rollout.waves.length - 1, nowMs),
    ),
  ];
  if (rollout.reason !== null) lines.push("", `reason  ${rollout.reason}`);
  return lines;
}

function headline(rollout: Rollout): string {
  const state = rollout.waitingFor === null ? rollout.state : `${rollout.state} for ${rollout.waitingFor}`;
  return `${rollout.release}  ${state}${rollout.paused ? ", paused" : ""}  (rollout ${rollout.id}, by ${rollout.requestedBy})`;
}

function waveLines(rollout: Rollout, wave: Wave, last: boolean, nowMs: number): string[] {
  const name = wave.number === 1 ? "wave 1 (canary)" : `wave ${wave.number}`;
  const cells = rollout.cells.filter((cell) => cell.wave === wave.number);
  const stem = last ? "   " : "│  ";
  return [
    `${last ? "└─" : "├─"} ${name.padEnd(16)} ${wave.state}${bakeText(wave, nowMs)}`,
    ...cells.map((cell, position) => `${stem}${position === cells.length - 1 ? "└─" : "├─"} ${cellText(cell)}`),
  ];
}

function bakeText(wave: Wave, nowMs: number): string {
  if (wave.state !== "baking" || wave.bakeEndsAt === null) return "";
  const left = (Date.parse(wave.bakeEndsAt) - nowMs) / 1000;
  return left > 0 ? `, ${duration(left)} left` : ", judging";
}

function cellText(cell: WaveCell): string {
  const error = cell.error === null ? "" : `  ${cell.error}`;
  return `${cell.cell.padEnd(13)} ${cell.step.padEnd(12)} ${cell.from ?? "nothing"} → ${cell.to}${error}`;
}
