import type { FleetFile } from "../../common/contracts/home.ts";
import type { Temporal } from "../setup/temporal.ts";

/** What `npm start` ends with. */
export interface StartReport {
  readonly home: string;
  readonly dashboard: string;
  /** One-time code for the dashboard's sign-in, and a link that signs in at once. */
  readonly signIn: { readonly code: string; readonly link: string };
  readonly router: string;
  readonly controlPlane: string;
  readonly temporal: { readonly address: string; readonly ui: string } | null;
  readonly cells: readonly { readonly id: string; readonly region: string }[];
  readonly demoTenants: readonly { readonly slug: string; readonly cell: string }[];
  readonly seconds: number;
}

/** The report as a table for people, with three commands to go on with. */
export function reportText(report: StartReport, file: FleetFile, temporal: Temporal): string {
  const rows: [string, string][] = [
    ["dashboard", `${report.signIn.link}`],
    ["sign-in code", `${report.signIn.code}  (works once)`],
    ["router", `${report.router}  for http://<tenant>.${file.baseDomain}:${file.ports.router}`],
    ["cells", report.cells.map(({ id, region }) => `${id} (${region})`).join(", ")],
    ["demo tenants", report.demoTenants.length === 0 ? "none" : report.demoTenants.map(({ slug }) => slug).join(", ")],
    ["Temporal", temporalText(report, temporal)],
    ["state", report.home],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  const lines = rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
  const next = file.applicationDirectory === null ? forPulse : forOwn(file.applicationDirectory, file.application);
  return `\nThe fleet is up after ${report.seconds.toFixed(1)} s.\n\n${lines.join("\n")}\n\nTry next:\n${next.map((line) => `  ${line}`).join("\n")}\n`;
}

const forPulse = [
  "npx cellplane status",
  "npx cellplane rollout start pulse@2 --watch",
  "npx cellplane query active-users --by tier",
];

const forOwn = (folder: string, name: string): string[] => [
  "npx cellplane tenant create acme --tier pro",
  `npx cellplane release create ${folder} --version 2`,
  `npx cellplane rollout start ${name}@2 --watch`,
];

function temporalText(report: StartReport, temporal: Temporal): string {
  if (temporal.kind === "missing")
    return `MISSING: ${temporal.reason}. Rollouts are refused until then: ${temporal.howTo}`;
  return report.temporal?.ui || (report.temporal?.address ?? "");
}
