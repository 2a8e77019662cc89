import { join } from "node:path";
import Type from "typebox";
import { readConfig } from "../../../common/config.ts";

/** What set-up and driver read from their environment. */
export const Settings = Type.Object({
  CELLPLANE_CACHE: Type.Optional(
    Type.String({
      description: "Folder for unpacked servers and templates; every user must be able to enter it",
      minLength: 1,
    }),
  ),
  XDG_CACHE_HOME: Type.Optional(Type.String({ description: "The user's cache folder", minLength: 1 })),
  HOME: Type.Optional(Type.String({ description: "The user's home folder" })),
  PATH: Type.String({ description: "Where programs are looked for", default: "/usr/local/bin:/usr/bin:/bin" }),
});

/** Where this machine keeps what all fleets share, and where programs are found. */
export interface MachineSettings {
  readonly cache: string;
  readonly path: readonly string[];
}

/**
 * Reads the machine's settings. Root's cache lies in /var/cache and not in root's home, because the unprivileged user
 * that runs the databases must be able to enter it.
 */
export function machineSettings(): MachineSettings {
  const settings = readConfig(Settings, process.env);
  const ofUser = settings.XDG_CACHE_HOME ?? join(settings.HOME ?? "/tmp", ".cache");
  const cache = settings.CELLPLANE_CACHE ?? join(process.getuid?.() === 0 ? "/var/cache" : ofUser, "cellplane");
  return { cache, path: settings.PATH.split(":").filter((folder) => folder !== "") };
}
