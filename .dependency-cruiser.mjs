// The walls of the house (docs/architecture.md): which file may import which, each rule with its reason.
// TypeScript 7 has no compiler API yet, so the files are parsed by swc. That path knows no JSX: the walls around the dashboard's
// .tsx files are rules of .oxlintrc.json.

const parts = "router|cells|control-plane|workflows|aggregator|dashboard|cli";
const pure = ["^control-plane/placement/", "^control-plane/rollout/", "^aggregator/merge/"];
const outside = "^(tests|bench|examples|scripts)/";

/** An npm package, whether or not it could be resolved on this machine. */
const npm = (names) => `(^|node_modules/)(${names})(/|$)`;

/** @param {string} name @param {string} packages @param {string} home where it may be imported */
const onlyIn = (name, packages, home, comment) => ({
  name,
  severity: "error",
  comment,
  from: { path: `^(common|${parts})/`, pathNot: home },
  to: { path: npm(packages) },
});

export default {
  forbidden: [
    {
      name: "no-cycles",
      severity: "error",
      comment: "A cycle has no first file to read, and its parts cannot be tested or replaced apart.",
      from: {},
      to: { circular: true },
    },
    {
      name: "no-barrels",
      severity: "error",
      comment: "A barrel hides who uses what, and makes cycles easy: import the file that has it.",
      from: {},
      to: { path: "(^|/)index\\.tsx?$", pathNot: "node_modules" },
    },
    {
      name: "imports-resolve",
      severity: "error",
      comment: "What cannot be found here fails at a user's start.",
      from: {},
      to: { couldNotResolve: true, pathNot: "^virtual:" },
    },
    {
      name: "common-imports-no-part",
      severity: "error",
      comment: "common/ lies under every part; if it knew one, all parts would depend on that one.",
      from: { path: "^common/" },
      to: { path: `^(${parts})/` },
    },
    {
      name: "parts-are-islands",
      severity: "error",
      comment:
        "Parts meet over the wire only, so that each can die, be deployed and be read alone. Shared by all: common/ and the pure folders.",
      from: { path: `^(${parts})/`, pathNot: ["^workflows/main\\.ts$", "^cli/"] },
      to: { path: `^(${parts})/`, pathNot: ["^$1/", ...pure] },
    },
    {
      name: "worker-brings-drivers-and-registry",
      severity: "error",
      comment:
        "The worker's composition root injects the cell drivers and the registry into activities, and nothing else.",
      from: { path: "^workflows/main\\.ts$" },
      to: { path: `^(${parts})/`, pathNot: ["^workflows/", "^cells/drivers/", "^control-plane/registry/", ...pure] },
    },
    {
      name: "cli-brings-drivers",
      severity: "error",
      comment:
        "Commands that must work with the control plane dead act through the cell driver, nothing else of a part.",
      from: { path: "^cli/" },
      to: { path: `^(${parts})/`, pathNot: ["^cli/", "^cells/drivers/", ...pure] },
    },
    {
      name: "product-knows-no-tests",
      severity: "error",
      comment:
        "What is shipped does not depend on what tests, measures, shows or sets it up. The command's first file alone needs the set-up's: it must find a Node.",
      from: { path: `^(common|${parts})/`, pathNot: "^cli/cellplane\\.mjs$" },
      to: { path: outside },
    },
    {
      name: "pure-folders-see-pure-code",
      severity: "error",
      comment: "Decisions are functions of their input, so that they can be tested as tables and run inside workflows.",
      from: { path: pure },
      to: {
        path: `^(common|${parts})/`,
        pathNot: ["^common/contracts/", "^common/(ids|errors|canonical|uuid)\\.ts$", ...pure],
      },
    },
    {
      name: "pure-folders-do-no-io",
      severity: "error",
      comment: "A decision that reads a file, a socket or a clock cannot be repeated or explained.",
      from: { path: pure },
      to: { dependencyTypes: ["core"], pathNot: "^(node:)?(crypto|assert|util)(/|$)" },
    },
    {
      name: "pure-folders-need-no-clients",
      severity: "error",
      comment: "Schemas are the only package a decision needs; a client would be I/O.",
      from: { path: pure },
      to: { dependencyTypes: ["npm", "npm-optional", "npm-peer"], pathNot: npm("typebox") },
    },
    {
      name: "workflow-definitions-are-deterministic",
      severity: "error",
      comment: "Temporal replays definitions: they see its workflow package, themselves, contracts and pure code.",
      from: { path: "^workflows/definitions/" },
      to: {
        pathNot: [
          npm("@temporalio/workflow"),
          npm("@temporalio/common"),
          "^workflows/definitions/",
          "^common/contracts/",
          "^common/(ids|errors|canonical)\\.ts$",
          ...pure,
        ],
      },
    },
    {
      name: "cells-know-no-driver",
      severity: "error",
      comment: "A cell runs the same under every driver, so nothing that runs in a cell may know one.",
      from: { path: "^cells/", pathNot: "^cells/drivers/" },
      to: { path: "^cells/drivers/" },
    },
    {
      name: "drivers-start-by-path",
      severity: "error",
      comment:
        "Drivers and the supervisor start parts by path and talk to them over the wire; they outlive every release.",
      from: { path: "^cells/drivers/" },
      to: { path: "^cells/(kit|pulse|admin)/|^cells/(api|worker|config)\\.ts$" },
    },
    {
      name: "applications-see-the-kit-alone",
      severity: "error",
      comment: "The reference application proves that the kit is enough: it uses nothing that a stranger's could not.",
      from: { path: "^cells/pulse/" },
      to: { path: `^(common|${parts}|tests|scripts)/`, pathNot: ["^cells/pulse/", "^cells/kit/"] },
    },
    {
      name: "kit-knows-no-application",
      severity: "error",
      comment: "The kit is what applications are written on; it must not know any.",
      from: { path: "^cells/(kit|admin)/" },
      to: { path: "^cells/pulse/" },
    },
    {
      name: "examples-see-the-kit-alone",
      severity: "error",
      comment:
        "An example is what a stranger writes: on the kit, and nothing else of ours. Later releases of Pulse extend it (docs/decisions/0003-examples-extend-pulse.md).",
      from: { path: "^examples/" },
      to: { path: `^(common|${parts}|tests|bench|scripts)/`, pathNot: ["^cells/kit/", "^cells/pulse/"] },
    },
    onlyIn(
      "pg-in-common-postgres",
      "pg|pg-.*",
      "^common/postgres/",
      "One place sets pools, time-outs, TLS and tracing of PostgreSQL.",
    ),
    onlyIn(
      "bullmq-in-the-kits-queue",
      "bullmq",
      "^cells/kit/queue",
      "The outbox is the truth about jobs; only the kit's queue knows what carries them.",
    ),
    onlyIn(
      "aws-in-dns",
      "@aws-sdk|@smithy",
      "^control-plane/dns/",
      "Nothing but DNS depends on a cloud; without its credentials all else runs.",
    ),
    onlyIn(
      "temporal-client-in-one-file",
      "@temporalio/client",
      "^control-plane/.*temporal\\.ts$",
      "Operations are rows first; one file starts and signals workflows, so that it can be absent.",
    ),
    onlyIn(
      "temporal-in-workflows",
      "@temporalio/(worker|workflow|activity|common)",
      "^workflows/|^control-plane/.*temporal\\.ts$",
      "Every other part serves with Temporal dead, so it must not know it.",
    ),
    {
      name: "no-development-packages-in-product",
      severity: "error",
      comment: "A development package is absent where only the product is installed.",
      from: { path: `^(common|${parts})/` },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "packages-are-declared",
      severity: "error",
      comment: "A package that only another package brings may vanish with its next version.",
      from: {},
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown"] },
    },
  ],
  options: {
    parser: "swc",
    doNotFollow: { path: "node_modules" },
    exclude: { path: ["\\.tsx$", "^(dashboard/)?dist/", "^\\.cellplane/"] },
    moduleSystems: ["es6"],
    detectProcessBuiltinModuleCalls: true,
    skipAnalysisNotInRules: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      extensions: [".ts", ".tsx", ".mjs", ".js", ".json"],
    },
  },
};
