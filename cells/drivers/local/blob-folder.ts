import { createReadStream } from "node:fs";
import { join } from "node:path";
import type { ReleaseManifest } from "../../../common/contracts/release.ts";
import { matches } from "../../../common/ids.ts";
import type { ReleaseRef, ReleaseSource } from "../driver.ts";

/** Releases whose files lie in a folder of this machine under their digests, as the control plane keeps them. */
export function blobFolder(folder: string, manifest: (release: ReleaseRef) => Promise<ReleaseManifest>): ReleaseSource {
  return {
    manifest,
    async read(digest) {
      if (!matches("sha256", digest)) throw new TypeError("not a SHA-256 in hex");
      return createReadStream(join(folder, digest), { highWaterMark: 1_048_576 });
    },
  };
}
