import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { bundleRelease, type BundledRelease } from "../../cells/drivers/bundle/bundle.ts";
import { describe } from "../../cells/drivers/bundle/describe.ts";
import type { Release } from "../../common/contracts/release.ts";
import { releaseName, type ReleaseName } from "../../common/ids.ts";
import { nodePath, root } from "../lib/bootstrap.mjs";
import type { FleetIdentity } from "./home.ts";
import { ApiError, type ControlPlaneApi } from "./api.ts";

/** A release that `npm start` makes: an application's folder under a version. */
export interface ReleaseSource {
  readonly folder: string;
  readonly version: string;
}

/** The release that a fleet's cells are provisioned with: of somebody's application, else of the reference application. */
export function firstReleaseOf(applicationDirectory: string | null): ReleaseSource {
  return { folder: applicationDirectory ?? join(root, "cells", "pulse"), version: "1" };
}

/** What the fleet's file says of an application, before any of it has been bundled. */
export async function describeApplication(app: string | null): Promise<FleetIdentity> {
  if (app === null) return { application: "pulse", applicationDirectory: null, firstRelease: releaseName("pulse@1") };
  const { name } = await describe(app, nodePath());
  return { application: name, applicationDirectory: app, firstRelease: releaseName(`${name}@1`) };
}

/** Its next releases: a good one, and one that fails a share of requests. */
export const laterReleases: readonly ReleaseSource[] = [
  { folder: join(root, "examples", "pulse-2"), version: "2" },
  { folder: join(root, "examples", "pulse-3-bad"), version: "3-bad" },
];

/** Bundles a release into a folder below the home, which is there only as long as `use` runs. */
export async function withBundle<Result>(
  home: string,
  source: ReleaseSource,
  use: (bundle: BundledRelease) => Promise<Result>,
): Promise<Result> {
  const outDir = mkdtempSync(join(home, "bundle-"));
  try {
    return await use(await bundleRelease({ folder: source.folder, version: source.version, outDir }));
  } finally {
    rmSync(outDir, { recursive: true, force: true });
  }
}

/** The stored release of that name; null where there is none. */
export async function findRelease(api: ControlPlaneApi, name: ReleaseName): Promise<Release | null> {
  try {
    return await api.call<Release>("GET", `/v1/releases/${name}`);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return null;
    throw error;
  }
}

/** Stores a release in the control plane: each file under its digest, unless it is there, then the manifest. */
export async function storeRelease(api: ControlPlaneApi, bundle: BundledRelease): Promise<void> {
  for (const file of bundle.files) {
    if (await api.has(`/v1/blobs/${file.digest}`)) continue;
    const content = Readable.toWeb(createReadStream(file.source)) as ReadableStream<Uint8Array>;
    await api.upload(`/v1/blobs/${file.digest}`, content, file.bytes);
  }
  await api.call("POST", "/v1/releases", bundle.manifest);
}
