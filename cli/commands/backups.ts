import type { Command } from "commander";
import { act, type DefineCommands, type RunAction, withExamples } from "../command.ts";

const moment = "a time with its offset, e.g. 2026-01-31T12:00:00Z";

/** `backup …`, `drill restore`. */
export const defineBackups: DefineCommands = (parent, run) => {
  const backup = parent
    .command("backup")
    .description("backups of cells, made daily by themselves, with WAL archived between");
  const create = backup
    .command("create")
    .description("back a cell up now, while it serves; returns when the backup was restored for a test")
    .argument("<cell>", "the cell, e.g. cell-1");
  act(create, run, async () => (await import("../actions/backup/backup.ts")).createBackup);
  withExamples(create, "backup create cell-1");

  const list = backup
    .command("list")
    .description("a cell's backups, and from which moment on each can be restored to any other")
    .argument("<cell>", "the cell, e.g. cell-1");
  act(list, run, async () => (await import("../actions/backup/backup.ts")).listBackups);
  withExamples(list, "backup list cell-1 --json");

  const drill = parent.command("drill").description("drills: what would happen, tried without harm");
  const restore = drill
    .command("restore")
    .description("restore each cell's backup beside it, and say what would be lost (RPO) and how long it took (RTO)")
    .option("--cell <cell>", "only this cell");
  act(restore, run, async () => (await import("../actions/backup/drill.ts")).drillRestores);
  withExamples(restore, "drill restore", "drill restore --cell cell-1 --json");
};

/** `cell restore|lives`, beside the other commands about cells. */
export function defineCellRestore(cell: Command, run: RunAction): void {
  const restore = cell
    .command("restore")
    .description("put a cell back to its newest archived state, or to a moment; what it had is kept aside for a day")
    .argument("<cell>", "the cell, e.g. cell-1")
    .option("--to <time>", `${moment} (default: all that is archived)`)
    .requiredOption("--reason <text>", "why; it stands in the audit")
    .option(
      "--direct",
      "also with the control plane dead, and past whoever holds the cell: it then serves when the control plane is back",
    );
  act(restore, run, async () => (await import("../actions/backup/restore-cell.ts")).restoreCell);
  withExamples(restore, 'cell restore cell-1 --to 2026-01-31T12:00:00Z --reason "a bad migration"');

  const lives = cell
    .command("lives")
    .description("restores of a cell: leases confirmed and dropped, and what was lost")
    .argument("<cell>", "the cell, e.g. cell-1");
  act(lives, run, async () => (await import("../actions/backup/lives.ts")).showLives);
}

/** `tenant restore`, beside the other commands about tenants. */
export function defineTenantRestore(tenant: Command, run: RunAction): void {
  const restore = tenant
    .command("restore")
    .description(
      "put one tenant back to a moment while its cell serves all others, there or in another cell, or give a new tenant what it had then",
    )
    .argument("<slug>", "the tenant")
    .requiredOption("--to <time>", moment)
    .requiredOption("--reason <text>", "why; it stands in the audit")
    .option("--as <slug>", "a new tenant that gets the rows; the old one stays as it is")
    .option("--into <cell>", "another cell, which takes the tenant over as it was then")
    .option("--from <cell>", "the cell that had the tenant then, if it has moved since");
  act(restore, run, async () => (await import("../actions/backup/restore-tenant.ts")).restoreTenant);
  withExamples(
    restore,
    'tenant restore acme --to 2026-01-31T12:00:00Z --reason "they deleted March"',
    'tenant restore acme --to 2026-01-31T12:00:00Z --into cell-2 --reason "cell-1 is too full"',
    'tenant restore acme --to 2026-01-31T12:00:00Z --as acme-january --reason "an audit"',
  );
}
