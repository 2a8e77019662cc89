import type { MigrationClass, MigrationSeries } from "../../../../common/contracts/release.ts";
import type { MigrationFinding, MigrationRuleName } from "./rules.ts";

/** A migration to be judged. */
export interface MigrationText {
  readonly series: MigrationSeries;
  /** Its file's name. */
  readonly file: string;
  readonly class: MigrationClass;
  readonly sql: string;
}

/** One row for the cell, one for each tenant: an index on them is built in milliseconds. */
const smallTables: ReadonlySet<string> = new Set(["cellplane.cell", "cellplane.leases"]);

/** What a series' earlier migrations have said that later ones build on. */
export interface SeriesMemory {
  /** `table constraint` → the column that its check holds to be NOT NULL, null for any other check. */
  readonly checks: Map<string, string | null>;
  /** `table column` of columns that a validated check has shown to hold no NULL. */
  readonly shown: Set<string>;
}

/** What is known while a migration is read, statement by statement. */
export class MigrationContext {
  readonly migration: MigrationText;
  readonly memory: SeriesMemory;
  readonly findings: MigrationFinding[] = [];
  /** Tables that this migration makes: nobody uses them yet, so that nothing on them makes anybody wait. */
  readonly made = new Set<string>();
  /** Tables that this migration declares, and those of them that it protects. */
  readonly declared = new Set<string>();
  readonly protected = new Set<string>();
  /** `table constraint` that this migration adds. */
  readonly added = new Set<string>();
  line = 0;

  constructor(migration: MigrationText, memory: SeriesMemory) {
    this.migration = migration;
    this.memory = memory;
  }

  get isExpand(): boolean {
    return this.migration.class === "expand";
  }
  /** The kit's own migrations make what protects; the rules about protection are for applications. */
  get isKit(): boolean {
    return this.migration.series === "kit";
  }

  /** Whether a table may have rows and users. */
  inUse(table: string): boolean {
    return !this.made.has(table) && !smallTables.has(table);
  }

  refuse(rule: MigrationRuleName, what: string): void {
    const { series, file } = this.migration;
    this.findings.push({ rule, file: `${series}/${file}`, line: this.line, what });
  }
}
