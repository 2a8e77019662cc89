import Type from "typebox";
import { readConfig } from "../common/config.ts";

/** What the command line reads from its environment. */
export const Settings = Type.Object({
  CELLPLANE_HOME: Type.Optional(
    Type.String({ description: "Folder with the fleet's state; default .cellplane in the project's folder" }),
  ),
  NO_COLOR: Type.Optional(Type.String({ description: "Set to anything: no colours (no-color.org)" })),
  TERM: Type.Optional(Type.String({ description: "Kind of terminal; `dumb` has neither colours nor a cursor" })),
});

export interface CliSettings {
  /** As given, not yet resolved; undefined for the default. */
  readonly home: string | undefined;
  /** Whether a terminal may be written to in colours, and rewritten in place. */
  readonly decorated: boolean;
}

/** Reads the command line's settings from the environment. */
export function cliSettings(): CliSettings {
  const settings = readConfig(Settings, process.env);
  return {
    home: settings.CELLPLANE_HOME,
    decorated: (settings.NO_COLOR ?? "") === "" && settings.TERM !== "dumb",
  };
}
