import type { Readable } from "node:stream";
import Type from "typebox";
import { Blob } from "../../common/contracts/control-plane.ts";
import { Sha256Schema } from "../../common/contracts/ids.ts";
import type { Server } from "../../common/http/server.ts";
import { httpError } from "../../common/http/errors.ts";
import { fail } from "../errors.ts";
import { blobLimitBytes } from "../registry/blobs.ts";
import { answers } from "./answers.ts";
import type { ApiContext } from "./context.ts";

const byDigest = Type.Object({ digest: Sha256Schema }, { additionalProperties: false });
const contentType = "application/octet-stream";

/** Content of releases: files named by their SHA-256, sent and read as they are. */
export function blobRoutes(server: Server, { blobs }: ApiContext): void {
  // The body stays a stream; the limit is kept while it is written.
  server.addContentTypeParser(contentType, { bodyLimit: blobLimitBytes }, (_request, payload, done) =>
    done(null, payload),
  );

  async function sizeOf(digest: string): Promise<number> {
    const bytes = await blobs.size(digest);
    if (bytes === null) throw fail("unknown-blob", `There is no blob ${digest}.`);
    return bytes;
  }

  server.route({
    method: "HEAD",
    url: "/v1/blobs/:digest",
    config: { access: "viewer" },
    schema: { summary: "Whether a blob is there", params: byDigest, response: answers(Type.Null()) },
    handler: async ({ params }, reply) => {
      reply.header("content-length", String(await sizeOf(params.digest)));
      return reply.type(contentType).send(null);
    },
  });

  server.route({
    method: "GET",
    url: "/v1/blobs/:digest",
    config: { access: "viewer" },
    schema: { summary: "Read a blob", params: byDigest, produces: [contentType] },
    handler: async ({ params }, reply) => {
      reply.header("content-length", String(await sizeOf(params.digest)));
      return reply.type(contentType).send(blobs.read(params.digest));
    },
  });

  server.route({
    method: "PUT",
    url: "/v1/blobs/:digest",
    config: { access: "operator" },
    schema: {
      summary: "Send a blob; it is there when its SHA-256 is the one in the address",
      consumes: [contentType],
      params: byDigest,
      response: answers(Blob),
    },
    handler: async ({ params, body, headers }) => {
      if (!headers["content-type"]?.startsWith(contentType))
        throw httpError("unsupported-media-type", `Send the bytes as ${contentType}.`);
      const content = body as Readable;
      const known = await blobs.size(params.digest);
      if (known === null) return { digest: params.digest, bytes: await blobs.write(params.digest, content) };
      content.resume();
      return { digest: params.digest, bytes: known };
    },
  });
}
