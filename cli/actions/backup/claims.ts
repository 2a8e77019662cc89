import type { ClaimCells, ClaimsHeld, HeldCells, WantedCell } from "../../../common/contracts/claims.ts";
import { CellplaneError } from "../../../common/errors.ts";
import type { CellId } from "../../../common/ids.ts";
import { findCellDatabase, type CellDatabase } from "../../../cells/drivers/local/backup/cell-database.ts";
import { admitClaim } from "../../../cells/drivers/local/claims.ts";
import type { Context } from "../../context.ts";
import type { ControlPlane } from "../../control-plane.ts";

/** How often a command says that it works, for each time that its claims would last without a word. */
const wordsPerLapse = 4;

/** Cells held by this command, and the token of each. */
export interface Held {
  readonly operation: string;
  token(cell: CellId): number;
}

/** The cells as a claim asks for them, with what driver and cell have seen. */
export async function wantedCells(context: Context, cells: readonly CellId[]): Promise<WantedCell[]> {
  const unique = [...new Set(cells)].toSorted();
  return await Promise.all(
    unique.map(async (cell) => ({ cell, seen: await (await findCellDatabase(context.home, cell)).notes.claim() })),
  );
}

/**
 * Works in cells while the registry holds them for this command, so that no rollout and no other restore meets it there.
 * @throws claim-taken, naming who holds one of them
 */
export async function holding<Result>(
  context: Context,
  wish: Pick<ClaimCells, "kind" | "reason"> & { readonly cells: readonly CellId[] },
  work: (held: Held) => Promise<Result>,
): Promise<Result> {
  const plane = await context.controlPlane();
  const { kind, reason } = wish;
  const why = reason === undefined ? {} : { reason };
  const body: ClaimCells = { kind, ...why, cells: await wantedCells(context, wish.cells) };
  return await whileHeld(context, plane, await plane.post<HeldCells>("/v1/claims", body), work);
}

/** As `holding`, for work that a dead control plane does not stop: then nobody is asked, and `held` is null. */
export async function holdingIfHeard<Result>(
  context: Context,
  wish: Pick<ClaimCells, "kind"> & { readonly cells: readonly CellId[] },
  work: (held: Held | null) => Promise<Result>,
): Promise<Result> {
  const plane = await context.controlPlane();
  const body: ClaimCells = { kind: wish.kind, cells: await wantedCells(context, wish.cells) };
  const held = await plane.post<HeldCells>("/v1/claims", body).catch((error: unknown) => {
    if (!isUnreachable(error)) throw error;
    return null;
  });
  return held === null ? await work(null) : await whileHeld(context, plane, held, work);
}

export function isUnreachable(error: unknown): boolean {
  return error instanceof CellplaneError && error.code === "control-plane-unreachable";
}

/** Shows the tokens to the driver, then works; says so now and then, and gives the cells back at the end, however that comes. */
export async function whileHeld<Result>(
  context: Context,
  plane: ControlPlane,
  { operation, claims, lapsesAfterSeconds }: HeldCells,
  work: (held: Held) => Promise<Result>,
): Promise<Result> {
  const path = `/v1/claims/${operation}`;
  // Of a word that does not arrive nothing hangs: a claim that lapses meanwhile is outranked by its token.
  const say = async (word: "heard" | "end"): Promise<ClaimsHeld | null> => {
    try {
      return await plane.post<ClaimsHeld>(`${path}/${word}`);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      return null;
    }
  };
  let trouble: string | undefined;
  const hear = async (): Promise<void> => {
    try {
      if ((await say("heard"))?.held === false) trouble = "its claims had lapsed";
    } catch (error) {
      trouble = (error as Error).message;
    }
  };
  const timer = setInterval(() => void hear(), (lapsesAfterSeconds * 1000) / wordsPerLapse);
  try {
    const tokens = new Map<CellId, number>(claims.map(({ cell, token }) => [cell, token]));
    for (const [cell, token] of tokens) await admitClaim(context.home, cell, token);
    return await work({
      operation,
      token: (cell) => {
        const token = tokens.get(cell);
        if (token === undefined) throw new Error(`${cell} is not held`);
        return token;
      },
    });
  } finally {
    clearInterval(timer);
    if (trouble !== undefined) context.progress(`Others may have been in these cells meanwhile: ${trouble}.\n`);
    await say("end").catch((error: unknown) =>
      context.progress(`The cells are free when the claims lapse: ${(error as Error).message}.\n`),
    );
  }
}

/** A direct command's claim: above all that the cell has seen, so that an operation that comes back is refused. */
export async function raiseClaim({ home, cell, notes }: CellDatabase): Promise<number> {
  const token = (await notes.claim()) + 1;
  await admitClaim(home, cell, token);
  return token;
}
