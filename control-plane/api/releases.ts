import Type from "typebox";
import { ReleaseList } from "../../common/contracts/control-plane.ts";
import { ReleaseNameSchema } from "../../common/contracts/ids.ts";
import { Problem } from "../../common/contracts/problem.ts";
import { Release, ReleaseManifest } from "../../common/contracts/release.ts";
import type { Server } from "../../common/http/server.ts";
import { personOf } from "../auth/access.ts";
import { fail } from "../errors.ts";
import type { BlobStore } from "../registry/blobs.ts";
import { storeRelease } from "../registry/releases.ts";
import { findRelease, listReleases } from "../registry/releases.store.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const listLimit = 200;
/** A manifest names up to 2,000 files and all migrations. */
const manifestLimitBytes = 2 * 1_048_576;
const byName = Type.Object({ name: ReleaseNameSchema }, { additionalProperties: false });

/** Releases: immutable, named, each with the digest of its manifest. */
export function releaseRoutes(server: Server, context: ApiContext): void {
  const { pool, blobs } = context;

  server.route({
    method: "GET",
    url: "/v1/releases",
    config: { access: "viewer" },
    schema: { summary: "List releases, latest first", response: answers(ReleaseList) },
    handler: async () => ({ releases: await listReleases(pool, listLimit) }),
  });

  server.route({
    method: "GET",
    url: "/v1/releases/:name",
    config: { access: "viewer" },
    schema: { summary: "Show a release", params: byName, response: answers(Release) },
    handler: async ({ params }) => {
      const release = await findRelease(pool, params.name);
      if (release === null) throw fail("unknown-release", `There is no release ${params.name}.`);
      return release;
    },
  });

  server.route({
    method: "POST",
    url: "/v1/releases",
    bodyLimit: manifestLimitBytes,
    config: { access: "operator" },
    schema: {
      summary: "Store a release by its manifest, when all of its files are there; again changes nothing",
      body: ReleaseManifest,
      response: { 200: Release, 201: Release, "4xx": Problem, "5xx": Problem },
    },
    handler: async (request, reply) => {
      await checkFiles(blobs, request.body);
      const { release, isNew } = await storeRelease(context, { actor: personOf(request).name }, request.body);
      return reply.code(isNew ? 201 : 200).send(release);
    },
  });
}

async function checkFiles(blobs: BlobStore, { files }: ReleaseManifest): Promise<void> {
  const missing: string[] = [];
  for (const { path, digest, bytes } of files) {
    const stored = await blobs.size(digest);
    if (stored === null) missing.push(digest);
    else if (stored !== bytes)
      throw fail("release-invalid", `${path} has ${stored} bytes, the manifest says ${bytes}.`);
  }
  if (missing.length > 0)
    throw fail("blob-missing", `${missing.length} of ${files.length} files are not there.`, { extra: { missing } });
}
