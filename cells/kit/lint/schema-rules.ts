/** Why a finding in the live schema is refused, and what mends it. */
export interface SchemaRule {
  readonly why: string;
  readonly fix: string;
}

/**
 * What a cell's schema must not hold. The first group would let one tenant reach another's rows or get round the fence; the second cannot follow a
 * tenant to another cell, or would not be there after a crash.
 */
export const schemaRules = {
  "unforced-policy": {
    why: "row-level security is not enabled and forced on it by the kit's own policy, so that a statement sees every tenant's rows",
    fix: "Call SELECT cellplane.protect_table('…') for it in the migration that makes it.",
  },
  "policy-too-wide": {
    why: "a further policy opens rows that the tenant's own policy keeps closed; permissive policies add up",
    fix: "DROP POLICY … ; one for the application must be AS RESTRICTIVE.",
  },
  "fence-missing": {
    why: "the fence does not run before each of its INSERT, UPDATE and DELETE statements, so that a tenant that was frozen or given away could still be written",
    fix: "Call SELECT cellplane.protect_table('…') for it in the migration that makes it, and leave its trigger alone.",
  },
  "trigger-disabled": {
    why: "a trigger on it is switched off, and with it the fence or a foreign key",
    fix: "ALTER TABLE … ENABLE TRIGGER … , and never switch one off.",
  },
  "key-without-tenant": {
    why: "its primary key does not begin with tenant_id uuid, so that tenants share keys and one can be found out by another",
    fix: "Declare PRIMARY KEY (tenant_id, …).",
  },
  "unique-without-tenant": {
    why: "a unique key without tenant_id tells a tenant, by its refusal, what another one holds",
    fix: "Put tenant_id first in the unique key.",
  },
  "foreign-key-without-tenant": {
    why: "a foreign key that does not pair tenant_id with tenant_id lets a row point at another tenant's",
    fix: "Declare FOREIGN KEY (tenant_id, …) REFERENCES … (tenant_id, …).",
  },
  "definer-function": {
    why: "a SECURITY DEFINER function acts with its owner's rights, which row-level security may not bind",
    fix: "Make it SECURITY INVOKER. Only the kit's own, in the schema cellplane with its search_path pinned, may be otherwise.",
  },
  "view-as-owner": {
    why: "a view reads with its owner's eyes, past the tenant's policy",
    fix: "CREATE VIEW … WITH (security_invoker = true).",
  },
  "materialised-view": {
    why: "a materialised view keeps every tenant's rows and knows no policy",
    fix: "Make a table with cellplane.protect_table and fill it by a job.",
  },
  "foreign-table": {
    why: "a foreign table knows no policy and no fence",
    fix: "Keep the rows in the cell: a tenant's data live in one place.",
  },
  "rewrite-rule": {
    why: "a rule rewrites statements and runs them as the table's owner",
    fix: "DROP RULE … ; say it in the application, or in a trigger.",
  },
  "owned-by-superuser": {
    why: "a superuser owns it: it was made by hand, beside the migrations, and no policy binds its owner",
    fix: "Drop it, or ALTER … OWNER TO cell_owner; make it by a migration.",
  },
  "owned-by-application": {
    why: "the role of tenants' statements owns it, and an owner may switch off policy and triggers",
    fix: "ALTER … OWNER TO cell_owner; migrations run as that role.",
  },
  "role-too-strong": {
    why: "the role has a right that gets round row-level security or reaches beyond the database",
    fix: "ALTER ROLE … NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION.",
  },
  "role-member": {
    why: "the role of tenants' statements inherits another role's rights",
    fix: "REVOKE … FROM cell_app.",
  },
  "replication-role-settable": {
    why: "with session_replication_role the fence's triggers do not fire",
    fix: "REVOKE SET ON PARAMETER session_replication_role FROM cell_app; ALTER ROLE … RESET session_replication_role.",
  },
  "privilege-too-strong": {
    why: "the role of tenants' statements may do more than read and write rows; TRUNCATE knows no policy, a trigger or table of its own no fence",
    fix: "REVOKE … FROM cell_app, PUBLIC. protect_table grants SELECT, INSERT, UPDATE and DELETE.",
  },
  "object-elsewhere": {
    why: "it lies in another schema than public, where nobody protects, moves or backs up a tenant's rows",
    fix: "Make it in the schema public.",
  },
  sequence: {
    why: "tenants share a sequence, and a move cannot carry it to another cell",
    fix: "Use id uuid NOT NULL DEFAULT uuidv7() instead of serial or an identity column.",
  },
  "column-not-comparable": {
    why: "its type has no equality, so that a move cannot compare the rows of both cells",
    fix: "Use jsonb instead of json; keep xml as text and shapes as numbers.",
  },
  "column-of-this-database": {
    why: "its type names an object of this one database and means something else in another cell",
    fix: "Keep a name (text) or a UUID instead.",
  },
  "unlogged-table": {
    why: "an unlogged table is empty after a crash and is in no backup",
    fix: "ALTER TABLE … SET LOGGED; what may be lost belongs in request.tenant.cache.",
  },
} as const satisfies Readonly<Record<string, SchemaRule>>;

export type SchemaRuleName = keyof typeof schemaRules;

/** Something in the live schema that a rule refuses. */
export interface SchemaFinding {
  readonly rule: SchemaRuleName;
  /** Table, view, function or role, as SQL writes it. */
  readonly object: string;
  /** What of it, e.g. the column; empty where the object says it. */
  readonly detail: string;
}

/** A finding in one line: which object, why, and the fix. */
export function findingText({ rule, object, detail }: SchemaFinding): string {
  const { why, fix } = schemaRules[rule];
  return `${object}${detail === "" ? "" : ` (${detail})`}: ${why}. Fix: ${fix}`;
}

/** Equal for the same finding, so that what was there before can be told from what is new. */
export function findingKey({ rule, object, detail }: SchemaFinding): string {
  return `${rule} ${object} ${detail}`;
}
