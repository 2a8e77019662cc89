import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { cellCount, cellOf, hostOf, tenantCount } from "./fleet.ts";

const cells = Array.from({ length: cellCount }, (_, cell) => cell);
const mapLines = (end: string): string =>
  Array.from({ length: tenantCount }, (_, tenant) => `${hostOf(tenant)} c${cellOf(tenant)}${end}`).join("\n");

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
  map $host $cell { default c0;
${mapLines(";")}
  }
  ${upstreams.join("\n  ")}
  server { listen 127.0.0.1:${port};
    location / {
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
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
