import Type from "typebox";
import { readConfig } from "../../../../common/config.ts";

/** What the supervisor reads from its environment. */
export const Settings = Type.Object({
  LOG_LEVEL: Type.String({ description: "Level of the supervisor's log", default: "info" }),
  PATH: Type.String({ description: "Where programs are looked for", default: "/usr/local/bin:/usr/bin:/bin" }),
  HOME: Type.Optional(Type.String({ description: "The user's home folder" })),
  LANG: Type.Optional(Type.String({ description: "Language and encoding of programs' messages" })),
  TZ: Type.Optional(Type.String({ description: "Time zone" })),
  TMPDIR: Type.Optional(Type.String({ description: "Folder for temporary files" })),
});

export interface SupervisorSettings {
  readonly logLevel: string;
  /** What every process gets. Nothing else of the supervisor's environment is handed on, secrets least of all. */
  readonly environment: Readonly<Record<string, string>>;
}

/** @throws ConfigError when a setting does not fit. */
export function supervisorSettings(): SupervisorSettings {
  const { LOG_LEVEL, ...environment } = readConfig(Settings, process.env);
  return { logLevel: LOG_LEVEL, environment: environment as Record<string, string> };
}
