import { mkdtemp, rm } from "node:fs/promises";
import { openAsBlob } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type BundledFile, bundleRelease } from "../../cells/drivers/bundle/bundle.ts";
import type { ReleaseList } from "../../common/contracts/control-plane.ts";
import type { Release } from "../../common/contracts/release.ts";
import type { Answer, Context } from "../context.ts";
import type { ControlPlane } from "../control-plane.ts";
import { cliError } from "../errors.ts";
import { facts, table } from "../text.ts";

/** `release create`: files that the control plane has already are not sent again, the runtime above all. */
export async function createRelease(
  context: Context,
  input: { readonly folder: string; readonly version: string },
): Promise<Answer> {
  const plane = await context.controlPlane();
  const outDir = await mkdtemp(join(tmpdir(), "cellplane-release-"));
  try {
    const folder = resolve(input.folder);
    const bundled = await bundleRelease({ folder, version: input.version, outDir });
    const { application } = await context.fleet();
    if (bundled.manifest.application !== application)
      throw cliError(
        "another-application",
        `${folder} is ${bundled.manifest.application}; this fleet runs ${application}.`,
      );
    for (const file of bundled.files) await send(plane, file, context.progress);
    const release = await plane.post<Release>("/v1/releases", bundled.manifest);
    return { json: release, text: releaseText(release) };
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
}

/** `release list` */
export async function listReleases(context: Context): Promise<Answer> {
  const plane = await context.controlPlane();
  const list = await plane.get<ReleaseList>("/v1/releases");
  const rows = list.releases.map((one) => [
    one.name,
    one.reason === null ? one.state : `${one.state}: ${one.reason}`,
    one.digest.slice(0, 12),
    one.manifest.runtime,
    one.createdAt,
  ]);
  return { json: list, text: table(["RELEASE", "STATE", "DIGEST", "RUNTIME", "CREATED"], rows) };
}

async function send(plane: ControlPlane, file: BundledFile, progress: (text: string) => void): Promise<void> {
  const path = `/v1/blobs/${file.digest}`;
  if (await plane.has(path)) return;
  progress(`storing ${file.path} (${(file.bytes / 1_048_576).toFixed(1)} MiB)\n`);
  await plane.upload(path, await openAsBlob(file.source));
}

function releaseText(release: Release): string {
  const { manifest } = release;
  return facts([
    ["release", release.name],
    ["digest", release.digest],
    ["runtime", manifest.runtime],
    ["files", manifest.files.length],
    [
      "journey",
      manifest.journey?.map(({ name }) => name).join(", ") ?? "none: a rollout only sees whether anything answers",
    ],
    [
      "migrations",
      manifest.migrations.map((one) => `${one.series}/${one.number} ${one.name} (${one.class})`).join(", ") || null,
    ],
    ["state", release.state],
  ]);
}
