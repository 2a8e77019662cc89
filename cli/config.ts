import Type from "typebox";
import { readConfig } from "../common/config.ts";

/** What the command line reads from its environment. */
export const Settings = Type.Object({
  CELLPLANE_HOME: Type.Optional(
    Type.String({ description: "Folder with the fleet's state; default .cellplane in the project's folder" }),
  ),
  CELLPLANE_TOKEN: Type.Optional(
    Type.String({
      description: "An operator's token, to act as him; default: the one that `npm start` left in the home",
    }),
  ),
  NO_COLOR: Type.Optional(Type.String({ description: "Set to anything: no colours (no-color.org)" })),
  TERM: Type.Optional(Type.String({ description: "Kind of terminal; `dumb` has neither colours nor a cursor" })),
});

export interface CliSettings {
  /** As given, not yet resolved; undefined for the default. */
  readonly home: string | undefined;
  /** An operator's token; undefined for the home's own. */
  readonly token?: string | undefined;
  /** Whether a terminal may be written to in colours, and rewritten in place. */
  readonly decorated: boolean;
}

/** Reads the command line's settings from the environment. */
export function cliSettings(): CliSettings {
  const settings = readConfig(Settings, process.env);
  return {
    home: settings.CELLPLANE_HOME,
    token: settings.CELLPLANE_TOKEN === "" ? undefined : settings.CELLPLANE_TOKEN,
    decorated: (settings.NO_COLOR ?? "") === "" && settings.TERM !== "dumb",
  };
}
