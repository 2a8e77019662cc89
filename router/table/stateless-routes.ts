import { METHODS } from "node:http";
import { pickStateless, type StatelessChoice, type StatelessTarget } from "../../control-plane/placement/stateless.ts";
import type { CellRow } from "../../common/contracts/fleet.ts";
import type { CellId } from "../../common/ids.ts";

/** Routes that are known of each cell; an application has fewer. */
const maxRoutes = 200;
const maxPatternBytes = 200;
/** `random GET /v1/preview/:id`, or instead of `random` the request's field that names a user. */
const shape = /^([a-z0-9-]{1,64}) ([A-Z-]{1,32}) (\/[^ ?#]*)$/;
const methods = new Set(METHODS);

interface Route {
  /** Null for any cell at random, else the name of the field that names the user. */
  readonly userField: string | null;
  readonly method: string;
  /** A `:name` or `*` segment is null: it stands for any. */
  readonly segments: readonly (string | null)[];
  /** Whether the last segment stands for all that follows. */
  readonly open: boolean;
}

/** How a request of a stateless route picks its cell: at random, or by what this field of it says. */
export interface StatelessMatch {
  readonly userField: string | null;
  readonly pattern: string;
}

/**
 * The routes that the application marks stateless: they need nothing of their tenant's cell, and any healthy cell may answer them. Cells name them in
 * their answers, each for its own tenants alone: a cell in the wrong hands can send its tenants' requests elsewhere, and draw nobody else's to itself. It is
 * only a hint: a cell that does need the tenant says 421, as to any stranger, and the request goes to the owner.
 */
export class StatelessRoutes {
  readonly #byOwner = new Map<CellId, Map<string, Route>>();

  /** Whether none is known at all. */
  get empty(): boolean {
    return this.#byOwner.size === 0;
  }

  /** The owner of a tenant named a route. What is not understood is none. */
  learn(owner: CellId, named: string): void {
    const routes = this.#byOwner.get(owner) ?? new Map<string, Route>();
    if (routes.has(named) || routes.size >= maxRoutes || named.length > maxPatternBytes) return;
    const [, how, method = "", path = ""] = shape.exec(named) ?? [];
    if (how === undefined || !methods.has(method)) return;
    const segments = path
      .slice(1)
      .split("/")
      .map((segment) => (segment === "*" || segment.startsWith(":") ? null : segment));
    const userField = how === "random" ? null : how;
    this.#byOwner.set(owner, routes);
    routes.set(named, { userField, method, segments, open: path.endsWith("*") });
  }

  /** A cell needed the tenant after all. */
  forget(owner: CellId, pattern: string): void {
    this.#byOwner.get(owner)?.delete(pattern);
  }

  /** @param owner of the tenant. @param target path and query. */
  match(owner: CellId, method: string, target: string): StatelessMatch | null {
    const routes = this.#byOwner.get(owner);
    if (routes === undefined || routes.size === 0) return null;
    const query = target.indexOf("?");
    const asked = (query < 0 ? target : target.slice(0, query)).slice(1).split("/");
    for (const [pattern, { userField, ...route }] of routes)
      if (route.method === method && fits(route, asked)) return { userField, pattern };
    return null;
  }
}

function fits({ segments, open }: Pick<Route, "segments" | "open">, asked: readonly string[]): boolean {
  if (open ? asked.length < segments.length : asked.length !== segments.length) return false;
  return segments.every((segment, index) => segment === null || segment === asked[index]);
}

/**
 * The cell for one request of a stateless route, of those that serve and stand in the region of the tenant's own, which keeps its residency.
 * @param serves whether a cell answers. @returns null where only the owner is left.
 */
export function pickCell(
  cells: Iterable<CellRow>,
  own: CellRow,
  serves: (cell: CellId) => boolean,
  choice: StatelessChoice,
): CellRow | null {
  const byId = new Map<CellId, CellRow>();
  const targets: StatelessTarget[] = [];
  for (const cell of cells) {
    if (cell.region !== own.region) continue;
    byId.set(cell.id, cell);
    targets.push({ cell: cell.id, region: cell.region, weight: cell.cordoned || !serves(cell.id) ? 0 : 1 });
  }
  const picked = pickStateless(targets, [], choice);
  return picked === null ? null : (byId.get(picked) ?? null);
}
