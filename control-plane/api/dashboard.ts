import { stat } from "node:fs/promises";
import { join } from "node:path";
import fastifyStatic from "@fastify/static";
import type { FastifyReply } from "fastify";
import type { Server } from "../../common/http/server.ts";
import { fail } from "../errors.ts";
import type { ApiContext } from "./context.ts";

/** No inline script or style, nothing from elsewhere, in nobody's frame. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/** One plain name: no folder, no dot at the beginning, so that nothing outside the folder is ever named. */
const fileName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,150}$/;

const placeholder = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>Cellplane</title></head>
<body><h1>Cellplane</h1><p>The dashboard is being built; this page looks again every three seconds. The API under /v1 answers already.</p></body></html>
`;

/** The built dashboard, from its folder; it may appear, or be built anew, while we run. */
export function dashboardRoutes(server: Server, { dashboardDirectory }: ApiContext): void {
  // Looked at anew for each request, because the folder may come later; our own headers, and no listing.
  server.register(fastifyStatic, { root: dashboardDirectory, serve: false, cacheControl: false, index: false });

  async function send(reply: FastifyReply, folder: string, name: string, cacheControl: string): Promise<FastifyReply> {
    const isThere = fileName.test(name) && (await isFile(join(dashboardDirectory, folder, name)));
    if (!isThere) throw fail("not-built", `There is no ${name.slice(0, 100)}.`);
    return reply
      .header("cache-control", cacheControl)
      .header("content-security-policy", policy)
      .sendFile(join(folder, name), dashboardDirectory);
  }

  server.route({
    method: "GET",
    url: "/",
    config: { access: "open" },
    schema: { summary: "The dashboard", hide: true },
    handler: async (_request, reply) => {
      if (await isFile(join(dashboardDirectory, "index.html"))) return await send(reply, "", "index.html", "no-cache");
      return reply
        .type("text/html; charset=utf-8")
        .header("cache-control", "no-store")
        .header("content-security-policy", policy)
        .send(placeholder);
    },
  });

  server.route<{ Params: { name: string } }>({
    method: "GET",
    url: "/assets/:name",
    config: { access: "open" },
    schema: { summary: "The dashboard's scripts and styles; their names change with their content", hide: true },
    handler: async ({ params }, reply) =>
      await send(reply, "assets", params.name, "public, max-age=31536000, immutable"),
  });

  for (const name of ["favicon.svg", "favicon.ico"]) {
    server.route({
      method: "GET",
      url: `/${name}`,
      config: { access: "open" },
      schema: { summary: "The dashboard's icon", hide: true },
      handler: async (_request, reply) => await send(reply, "", name, "no-cache"),
    });
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return false;
    throw error;
  }
}
