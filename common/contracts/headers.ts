/**
 * Names of the headers between router and cell, lower case. What a client sends under any of them (or any spelling that a
 * server might fold into them) is stripped by the router; what a cell answers under them never reaches a client.
 */
export const internalHeaders = {
  /** Router → cell: the signed assertion (contracts/assertion.ts). */
  assertion: "cellplane-assertion",
  /** Router → cell: a release record that makes the cell activate a tenant it holds ready. */
  releaseRecord: "cellplane-release-record",
  /**
   * Cell → router: nothing of this request has been executed; it may be sent again elsewhere. The value is the code of the problem,
   * e.g. `slot-not-live`; at `tenant-frozen` the router parks the request and tries again.
   */
  notExecuted: "cellplane-not-executed",
  /** Cell → router: the slot (`a` or `b`) that is live in this cell. */
  slot: "cellplane-slot",
  /** Cell → router: the release that answered, e.g. `pulse@2`. Counted and stripped by the router. */
  release: "cellplane-release",
  /** Cell → router, with 421: the cell's signed word about the tenant (contracts/lease.ts). */
  leaseWord: "cellplane-lease-word",
  /**
   * Cell → router: requests of this route need nothing of the tenant's cell, and may go to any. `<how> <method> <path pattern>`, e.g.
   * `random GET /v1/preview/:id`; instead of `random` the name of the request's field by which one user keeps to one cell.
   */
  stateless: "cellplane-stateless",
} as const;

export const internalPrefix = "cellplane-";

/** Made by the router when the client sent none that is well formed; part of every problem document. */
export const requestIdHeader = "x-request-id";

/** Aggregator → cell: how many milliseconds are left for this answer; after them nobody waits for it any more. */
export const deadlineHeader = "cellplane-deadline-ms";
