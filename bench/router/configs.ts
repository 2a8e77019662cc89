import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bigBytes, bulkTenant, cellCount, cellOf, hostOf } from "./fleet.ts";

/** Those for bulk included. */
const cells = Array.from({ length: cellCount + 1 }, (_, cell) => cell);
const mapLines = (end: string): string =>
  Array.from({ length: bulkTenant + 1 }, (_, tenant) => `${hostOf(tenant)} c${cellOf(tenant)}${end}`).join("\n");

/**
 * Cells that cost next to nothing: each answers at once, and names itself, the host that it was asked for, and whether an assertion came along.
 * `/v1/big` is an answer of 64 KiB. @returns the file.
 */
export function writeCells(folder: string, firstCell: number): string {
  const file = join(folder, "cells.conf");
  mkdirSync(join(folder, "cells/v1"), { recursive: true });
  writeFileSync(join(folder, "cells/v1/big"), "b".repeat(bigBytes));
  chmodSync(folder, 0o755);
  const fast = cells.slice(0, cellCount);
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/cells.pid; error_log ${folder}/cells.log warn;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 100000000; keepalive_timeout 600s; default_type application/json; sendfile on;
  client_body_temp_path ${folder}/cells-body; open_file_cache max=16;
  map $http_cellplane_assertion $asserted { default true; "" false; }
  map $server_port $cell { ${fast.map((cell) => `${firstCell + cell} ${cell};`).join(" ")} }
  server {
    ${fast.map((cell) => `listen 127.0.0.1:${firstCell + cell} backlog=1024;`).join(" ")}
    add_header cellplane-release bench@1;
    location / { return 200 '{"cell":$cell,"host":"$http_host","assertion":$asserted}'; }
    location = /v1/big { root ${folder}/cells; }
  }
}
`,
  );
  return file;
}

/** nginx as its documentation advises for a proxy: a map, keep-alive on both sides, no access log. @returns the file. */
export function writeNginx(folder: string, port: number, firstCell: number): string {
  const file = join(folder, "nginx.conf");
  const upstreams = cells.map(
    (cell) =>
      `upstream c${cell} { server 127.0.0.1:${firstCell + cell}; keepalive 128; keepalive_requests 100000000; }`,
  );
  writeFileSync(
    file,
    `worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log warn;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 100000000; map_hash_max_size 262144; map_hash_bucket_size 128;
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  map $http_upgrade $forward_connection { default upgrade; "" ""; }
  client_max_body_size 10m; client_body_buffer_size 128k; proxy_request_buffering off; proxy_buffer_size 16k; proxy_buffers 8 32k;
  map $host $cell { default c0;
${mapLines(";")}
  }
  ${upstreams.join("\n  ")}
  server { listen 127.0.0.1:${port};
    location / {
      proxy_http_version 1.1; proxy_set_header Connection $forward_connection; proxy_set_header Upgrade $http_upgrade; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Request-Id $request_id;
      proxy_pass http://$cell;
    }
  }
}
`,
  );
  return file;
}

/** HAProxy with a map, on one thread. @returns the file. */
export function writeHaproxy(folder: string, port: number, firstCell: number): string {
  const file = join(folder, "haproxy.cfg");
  const map = join(folder, "haproxy.map");
  writeFileSync(map, `${mapLines("")}\n`);
  const backends = cells.map((cell) => `backend c${cell}\n  server s 127.0.0.1:${firstCell + cell} pool-max-conn 256`);
  writeFileSync(
    file,
    `global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend tenants
  bind 127.0.0.1:${port}
  http-request set-header X-Request-Id %[uuid()]
  use_backend %[req.hdr(host),lower,map_str(${map},c0)]
${backends.join("\n")}
`,
  );
  return file;
}
