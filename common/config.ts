import { readFileSync } from "node:fs";
import Type, { type Static, type TObject } from "typebox";
import Value from "typebox/value";

/** Marks a setting as secret: it is never printed. It may come from a file: `NAME_FILE=/path`. */
export function Secret(options: { description: string; default?: string }) {
  return Type.String({ ...options, secret: true });
}

/** Marks a setting as a URL that may carry a password: printed with the password masked. */
export function UrlSetting(options: { description: string; default?: string }) {
  return Type.String({ ...options, minLength: 1, url: true });
}

/** A configuration that did not fit its schema; the message lists every wrong setting and what it means. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads a part's settings from the environment, once, by one schema: text becomes number or boolean where the schema says
 * so, defaults are filled in, unknown variables are none of our business.
 * @throws ConfigError naming each missing or wrong setting with its description.
 */
export function readConfig<Schema extends TObject>(schema: Schema, environment: Environment): Static<Schema> {
  const raw: Record<string, unknown> = {};
  for (const [name, member] of Object.entries(schema.properties)) {
    const text = environment[name] ?? readFrom(environment[`${name}_FILE`]);
    if (text === undefined || text === "") continue;
    raw[name] = fromText(text, (member as { type?: string }).type);
  }
  const filled = Value.Default(schema, raw);
  if (!Value.Check(schema, filled)) {
    const wrong = new Map<string, string>();
    for (const error of Value.Errors(schema, filled)) {
      const missing = (error.params as { requiredProperties?: string[] }).requiredProperties ?? [];
      for (const name of missing) wrong.set(name, "is missing");
      if (missing.length === 0) wrong.set(error.instancePath.slice(1), error.message);
    }
    const lines = [...wrong].map(([name, message]) => {
      const description = (schema.properties[name] as { description?: string } | undefined)?.description ?? "";
      return `  ${name} ${message}${description === "" ? "" : ` (${description})`}`;
    });
    throw new ConfigError(`The configuration does not fit:\n${lines.join("\n")}`);
  }
  return filled as Static<Schema>;
}

function readFrom(path: string | undefined): string | undefined {
  return path === undefined || path === "" ? undefined : readFileSync(path, "utf8").trim();
}

function fromText(text: string, type: string | undefined): unknown {
  if (type === "number" || type === "integer") return text.trim() === "" ? text : Number(text);
  if (type === "boolean")
    return text === "true" || text === "1" ? true : text === "false" || text === "0" ? false : text;
  return text;
}

/** The same settings, fit to be printed: secrets as `***`, passwords in URLs masked. */
export function maskConfig<Schema extends TObject>(schema: Schema, config: Static<Schema>): Record<string, unknown> {
  const masked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(config as Record<string, unknown>)) {
    const member = schema.properties[name] as { secret?: boolean; url?: boolean } | undefined;
    masked[name] = member?.secret === true ? "***" : member?.url === true ? maskUrl(String(value)) : value;
  }
  return masked;
}

/** A URL with its password masked, up to the last `@` before the path: a password may hold one itself. */
export function maskUrl(text: string): string {
  return text.replace(/(\/\/[^:/@]*:)[^/]*@/, "$1***@");
}
