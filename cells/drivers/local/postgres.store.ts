/** A role of a new server. Passwords are random and made of `A-Z a-z 0-9 - _`. */
export interface PlannedRole {
  readonly name: string;
  readonly password: string;
  /** Runs the statements of applications: what binds a transaction to its tenant are settings, so it may not change any from inside a statement. */
  readonly confined?: boolean;
}

export interface PlannedDatabase {
  readonly name: string;
  /** Owns the database and, through it, the schema `public`. */
  readonly owner: string;
  /** Roles that may connect beside the owner; nobody else may. */
  readonly guests: readonly string[];
}

/** What a new server holds from its first moment. The superuser is called `postgres`. */
export interface DatabasePlan {
  readonly superuserPassword: string;
  readonly roles: readonly PlannedRole[];
  readonly databases: readonly PlannedDatabase[];
}

/**
 * The statements that make it so, one a line, as single-user mode reads them in `template1`: what is granted there, each later database has too.
 * @throws TypeError for a name or password that would need quoting.
 */
export function setUpStatements(plan: DatabasePlan): string[] {
  return [
    `ALTER ROLE postgres PASSWORD '${plain(plan.superuserPassword)}'`,
    ...plan.roles.map(
      (role) =>
        `CREATE ROLE ${name(role.name)} LOGIN PASSWORD '${plain(role.password)}' NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION`,
    ),
    "REVOKE ALL ON DATABASE postgres FROM PUBLIC",
    "REVOKE ALL ON DATABASE template1 FROM PUBLIC",
    ...confinement(plan.roles),
    ...plan.databases.flatMap(databaseStatements),
  ];
}

/** `SET` is a statement of its own and can be told apart; `set_config` is a function, and could stand in any. */
function confinement(roles: readonly PlannedRole[]): string[] {
  if (!roles.some((role) => role.confined === true)) return [];
  const settings = "FUNCTION pg_catalog.set_config(text, text, boolean)";
  const others = roles.filter((role) => role.confined !== true).map((role) => name(role.name));
  return [
    `REVOKE EXECUTE ON ${settings} FROM PUBLIC`,
    ...(others.length === 0 ? [] : [`GRANT EXECUTE ON ${settings} TO ${others.join(", ")}`]),
  ];
}

/** The statements that give the roles of a server that is there the passwords of the plan. @throws TypeError as above. */
export function passwordStatements(plan: DatabasePlan): string[] {
  return [{ name: "postgres", password: plan.superuserPassword }, ...plan.roles].map(
    (role) => `ALTER ROLE ${name(role.name)} PASSWORD '${plain(role.password)}'`,
  );
}

/** The statements that make one database; they want a connection outside any transaction. */
export function databaseStatements(database: PlannedDatabase): string[] {
  const guests = database.guests.map(name).join(", ");
  return [
    `CREATE DATABASE ${name(database.name)} OWNER ${name(database.owner)}`,
    `REVOKE ALL ON DATABASE ${name(database.name)} FROM PUBLIC`,
    ...(guests === "" ? [] : [`GRANT CONNECT ON DATABASE ${name(database.name)} TO ${guests}`]),
  ];
}

function name(text: string): string {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(text)) throw new TypeError(`not a plain database name: ${JSON.stringify(text)}`);
  return text;
}

function plain(password: string): string {
  if (!/^[A-Za-z0-9_-]{16,128}$/.test(password))
    throw new TypeError("a database password must be 16 to 128 of A-Z a-z 0-9 _ -");
  return password;
}
