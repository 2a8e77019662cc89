import Type from "typebox";
import { readConfig } from "../../../../common/config.ts";

/** What the supervisor reads from its environment. */
export const Settings = Type.Object({
  LOG_LEVEL: Type.String({ description: "Level of the supervisor's log", default: "info" }),
  CELLPLANE_SILENT_SECONDS: Type.Integer({
    description: "How long a process may leave its health check unanswered before it is restarted",
    default: 60,
    minimum: 1,
    maximum: 3_600,
  }),
  CELLPLANE_BACKUP_HOURS: Type.Integer({
    description: "Hours between two backups of a cell, made by itself; 0: only by hand",
    default: 24,
    minimum: 0,
    maximum: 168,
  }),
  PATH: Type.String({ description: "Where programs are looked for", default: "/usr/local/bin:/usr/bin:/bin" }),
  HOME: Type.Optional(Type.String({ description: "The user's home folder" })),
  LANG: Type.Optional(Type.String({ description: "Language and encoding of programs' messages" })),
  TZ: Type.Optional(Type.String({ description: "Time zone" })),
  TMPDIR: Type.Optional(Type.String({ description: "Folder for temporary files" })),
});

export interface SupervisorSettings {
  readonly logLevel: string;
  readonly silentSeconds: number;
  readonly backupHours: number;
  /** What every process gets. Nothing else of the supervisor's environment is handed on, secrets least of all. */
  readonly environment: Readonly<Record<string, string>>;
}

/** @throws ConfigError when a setting does not fit. */
export function supervisorSettings(): SupervisorSettings {
  const { LOG_LEVEL, CELLPLANE_SILENT_SECONDS, CELLPLANE_BACKUP_HOURS, ...environment } = readConfig(
    Settings,
    process.env,
  );
  return {
    logLevel: LOG_LEVEL,
    silentSeconds: CELLPLANE_SILENT_SECONDS,
    backupHours: CELLPLANE_BACKUP_HOURS,
    environment: environment as Record<string, string>,
  };
}
