import { errorsOf, type ErrorTable } from "../../../common/errors.ts";

/** Why no release could be made of an application. */
export const bundleErrors = {
  "bad-application": {
    status: 422,
    title: "This is no application",
    todo: "An application's folder holds app.ts, whose default export is made by defineCellApp, and migrations/.",
  },
  "bad-migration": {
    status: 422,
    title: "A migration would block tenants, let them reach each other, or break the release that still runs",
    todo: "Each line of the detail names the place and the fix; docs/write-a-cell-app.md shows how a schema changes in steps.",
  },
  "types-wrong": {
    status: 422,
    title: "The application's types do not fit",
    todo: "Correct what the compiler names; `npm run check` in the application's folder says it too.",
  },
  "bundle-failed": {
    status: 422,
    title: "The application could not be built",
    todo: "Correct what the detail names; an application may import the kit as cellplane/kit, its own files and Node's modules.",
  },
} as const satisfies ErrorTable;

export const bundleError = errorsOf(bundleErrors);
