import { errorsOf, type ErrorTable } from "../common/errors.ts";

/** Everything the control plane refuses or fails at, beside what any HTTP server of ours may answer (common/http/errors.ts). */
export const controlPlaneErrors = {
  // who is asking
  "credential-refused": {
    status: 401,
    title: "That credential is not valid",
    todo: "Sign in again, or use an operator token that has not been revoked.",
  },
  "code-refused": {
    status: 401,
    title: "That sign-in code is not valid",
    todo: "A code works once and for an hour; ask for a new one with `npx cellplane sign-in`.",
  },
  "role-too-low": {
    status: 403,
    title: "Your role does not allow this",
    todo: "Ask somebody whose role does; the refusal stands in the audit.",
  },
  "cross-site": {
    status: 403,
    title: "A request from another site is refused",
    todo: "Use the dashboard at its own address, or an operator token.",
  },
  "operator-exists": {
    status: 409,
    title: "That name belongs to somebody already",
    todo: "Choose another name; for a new token of the same person revoke the old one first.",
  },
  "unknown-operator": { status: 404, title: "There is no such operator", todo: "See `npx cellplane operator list`." },
  "own-token": {
    status: 409,
    title: "Nobody revokes the own token",
    todo: "Ask another admin, so that one is always left.",
  },
  // tenants
  "unknown-tenant": { status: 404, title: "There is no such tenant", todo: "See `npx cellplane tenant list`." },
  "slug-taken": {
    status: 409,
    title: "That slug belongs to a tenant already",
    todo: "Choose another slug, or repeat the call with the tier and region it was first made with.",
  },
  "slug-reserved": {
    status: 400,
    title: "That slug is kept for the system",
    todo: "Choose a slug that does not begin with `synthetic-`.",
  },
  "cell-unreachable": {
    status: 503,
    title: "The tenant is placed but not served yet",
    todo: "Repeat the same call: it goes on where it was. See the cell's health with `npx cellplane cell list`.",
  },
  "tenant-not-served": {
    status: 409,
    title: "The tenant is not served yet",
    todo: "Repeat its creation until it answers, then try again.",
  },
  "unknown-key": {
    status: 404,
    title: "The tenant has no such key",
    todo: "See the key ids with `npx cellplane tenant show`.",
  },
  "too-many-keys": { status: 409, title: "The tenant has as many keys as it may have", todo: "Revoke one first." },
  // cells and parts
  "unknown-cell": { status: 404, title: "There is no such cell", todo: "See `npx cellplane cell list`." },
  "unknown-time-zone": {
    status: 400,
    title: "There is no such time zone",
    todo: "Name it as the IANA does, e.g. `Europe/Berlin`.",
  },
  "cell-address-refused": {
    status: 422,
    title: "No cell may have that address",
    todo: "Give each slot's addresses as origins (http://host:port) that lead to the cell; detail says which one does not.",
  },
  "cell-silent": {
    status: 503,
    title: "The tenant's cell gave no usable answer",
    todo: "See the cell's health with `npx cellplane cell list`, and try again.",
  },
  "cell-differs": {
    status: 409,
    title: "A cell of that name is registered otherwise",
    todo: "A cell keeps its region for its whole life; choose another name.",
  },
  "unknown-part": { status: 404, title: "No such part is registered", todo: "See `GET /v1/parts`." },
  "part-differs": {
    status: 409,
    title: "That part has another role",
    todo: "A part keeps its role; choose another id.",
  },
  "invalid-public-key": {
    status: 400,
    title: "That is no public key",
    todo: "Send the base64 of an Ed25519 SubjectPublicKeyInfo (DER).",
  },
  // releases
  "unknown-release": {
    status: 404,
    title: "There is no such release",
    todo: "See `GET /v1/releases`, or make it with `npx cellplane release create`.",
  },
  "release-exists": {
    status: 409,
    title: "That release exists with other content",
    todo: "A release never changes: give the new content a new version.",
  },
  "release-invalid": {
    status: 400,
    title: "The manifest contradicts itself",
    todo: "Make it anew with `npx cellplane release create`.",
  },
  "migration-reused": {
    status: 409,
    title: "A migration's number was released before with another text",
    todo: "Leave released migrations as they are and add a new number.",
  },
  "release-quarantined": {
    status: 409,
    title: "The release failed a rollout and is quarantined",
    todo: "Mend it and release it under a new version.",
  },
  "blob-missing": {
    status: 409,
    title: "The content of some files has not been uploaded",
    todo: "Upload the blobs named in `missing` first.",
  },
  "unknown-blob": { status: 404, title: "There is no such blob", todo: "Upload it with `PUT /v1/blobs/<digest>`." },
  "blob-differs": {
    status: 400,
    title: "The content has another digest than its name",
    todo: "Send exactly the bytes whose SHA-256 stands in the address.",
  },
  "blob-too-large": {
    status: 413,
    title: "The content is too large",
    todo: "Leave out of the release what it does not need; the limit stands in detail.",
  },
  // operations
  "rollout-running": {
    status: 409,
    title: "A rollout of this application is still open",
    todo: "Wait for its end, or halt, roll back or cancel it.",
  },
  "line-stopped": {
    status: 409,
    title: "The line is stopped: no rollout begins or goes on",
    todo: "See who stopped it and why with `npx cellplane line show`; when that is settled, `npx cellplane line release`.",
  },
  "unknown-rollout": { status: 404, title: "There is no such rollout", todo: "See `GET /v1/rollouts`." },
  "unknown-watch": {
    status: 404,
    title: "The rollout has no such watch",
    todo: "See what it was judged by with `npx cellplane rollout explain`.",
  },
  "unknown-plan": {
    status: 404,
    title: "There is no plan of that hash",
    todo: "Make one with `npx cellplane rollout plan`.",
  },
  "plan-outdated": {
    status: 409,
    title: "The fleet is no longer as the plan says",
    todo: "Plan again with `npx cellplane rollout plan`, and look at what changed.",
  },
  "rollout-over": { status: 409, title: "The rollout has ended", todo: "Start a new one." },
  "command-refused": {
    status: 409,
    title: "The rollout does not take that command now",
    todo: "Read its state and revision again, then decide anew.",
  },
  "workflow-gone": {
    status: 409,
    title: "The rollout's workflow does not run",
    todo: "Cancel the rollout to close it; its cells keep what they run. Then start another.",
  },
  "claim-taken": {
    status: 409,
    title: "Another operation holds a cell",
    todo: "Wait for its end, or end it; which operation it is, and whose, stands in the detail.",
  },
  "operation-alive": {
    status: 409,
    title: "The operation is not lost: its workflow answers",
    todo: "Command it instead: `npx cellplane rollout halt`, `roll-back` or `cancel`.",
  },
  "unknown-operation": {
    status: 404,
    title: "No such operation is open",
    todo: "It has ended, or was given up because nothing was heard of it; begin anew.",
  },
  "relocation-refused": {
    status: 409,
    title: "The tenant cannot be restored in that cell",
    todo: "Choose another cell; which constraint it is stands in the detail.",
  },
  "source-unreachable": {
    status: 503,
    title: "The tenant's own cell does not answer",
    todo: "Only the owner can give a tenant away: bring the cell back (`cell start`, `cell restore`), or give the rows a new name with `--as`.",
  },
  "relocation-undone": {
    status: 409,
    title: "The tenant was not given to the other cell",
    todo: "It is served where it was, as it was. Look at the detail, then try again.",
  },
  "temporal-missing": {
    status: 503,
    title: "This fleet runs without Temporal",
    todo: "Install Temporal's CLI (https://docs.temporal.io/cli) so that `temporal` is on the PATH, and run `npm start` again.",
  },
  "temporal-unreachable": {
    status: 503,
    title: "Temporal does not answer",
    todo: "Nothing was changed; try again when it is back.",
  },
  // webhooks
  "webhook-refused": {
    status: 422,
    title: "Nothing is sent to that address",
    todo: "Give a receiver's https address outside of this fleet; the detail says what is wrong with this one.",
  },
  "unknown-webhook": { status: 404, title: "There is no such webhook", todo: "See `npx cellplane webhook list`." },
  "too-many-webhooks": { status: 409, title: "There are as many webhooks as there may be", todo: "Remove one first." },
  // other parts
  "aggregator-unreachable": {
    status: 503,
    title: "The aggregator does not answer",
    todo: "Tenants are not affected; try again when it is back.",
  },
  "registry-unavailable": {
    status: 503,
    title: "The registry's database does not answer",
    todo: "Tenants are not affected; try again in a moment.",
  },
  "registry-schema": {
    status: 500,
    title: "The registry's schema does not fit this control plane",
    todo: "Run the version of the control plane that last migrated it, or a newer one.",
  },
  "not-built": {
    status: 404,
    title: "The dashboard is not built yet",
    todo: "It is being built in the background; reload in a moment.",
  },
} as const satisfies ErrorTable;

export const fail = errorsOf(controlPlaneErrors);
