import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { systemClock } from "../../../common/clock.ts";
import { generateSigningKey } from "../../../common/keys.ts";
import { AddressPolicy } from "../../../common/net/address-policy.ts";
import { createPartClient } from "../../../control-plane/fleet/part-client.ts";
import { checkCellAddresses } from "../../../control-plane/registry/cell-addresses.ts";

const names: Readonly<Record<string, readonly string[]>> = {
  "cell.example": ["10.1.2.3", "2001:db8::7"],
  "metadata.example": ["169.254.169.254"],
  "half.example": ["10.1.2.3", "127.0.0.1"],
  "mapped.example": ["::ffff:169.254.169.254"],
};

function check(url: string, loopback = false): Promise<void> {
  const slot = { url, adminUrl: "http://10.1.2.3:9001", workerUrl: "http://10.1.2.3:9002" };
  return checkCellAddresses(
    { slots: { a: slot, b: slot } },
    {
      policy: new AddressPolicy({ loopback }),
      own: () => ["http://127.0.0.1:8081"],
      resolve: async (name) => names[name] ?? Promise.reject(new Error("ENOTFOUND")),
    },
  );
}

describe("where a cell may be", () => {
  it("attack 21: at metadata, on the loopback, on the link, at the control plane itself, or behind a name that leads there, it is 422", async () => {
    for (const url of [
      "http://169.254.169.254/",
      "http://169.254.169.254:80",
      "http://[fe80::1]:80",
      "http://[fd00:ec2::254]",
      "http://[::ffff:169.254.169.254]:80",
      "http://[64:ff9b::a9fe:a9fe]:80",
      "http://100.100.100.200",
      "http://0.0.0.0:9000",
      "http://[::]:9000",
      "http://224.0.0.1",
      "http://255.255.255.255",
      // The same addresses as other spellings have them.
      "http://2852039166/",
      "http://0xa9.0xfe.0xa9.0xfe",
      "http://0251.0376.0251.0376",
      "http://127.0.0.1:8081",
      "http://localhost:9000",
      "http://[::1]:9000",
      "http://127.1:9000",
      "http://metadata.example",
      "http://half.example",
      "http://mapped.example",
      "http://nowhere.example",
      "http://user:secret@10.1.2.3:9000",
      "http://10.1.2.3:9000/admin",
      "http://10.1.2.3:9000/?x=1",
      "http://10.1.2.3:9000/#x",
      "file:///etc/passwd",
      "gopher://10.1.2.3",
      "10.1.2.3:9000",
      "",
    ])
      await assert.rejects(check(url), { code: "cell-address-refused", status: 422 }, url);
    await assert.rejects(check("http://127.0.0.1:8081", true), { code: "cell-address-refused" }, "its own address");
    for (const url of [
      "http://10.1.2.3:9000",
      "https://cell.example",
      "http://[2001:db8::7]:9000/",
      "http://192.168.0.7",
    ])
      await check(url);
    await check("http://127.0.0.1:9000", true);
  });

  it("attack 21: a name that leads elsewhere when it is connected to is refused then, and a redirect is not followed", async () => {
    let asked = 0;
    const server = createServer((_request, response) => {
      asked += 1;
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const ask = async (loopback: boolean) => {
      const parts = createPartClient(
        "control-plane",
        generateSigningKey(),
        systemClock,
        new AddressPolicy({ loopback }),
      );
      try {
        return await parts.call({ url: `http://localhost:${port}/v1/status`, audience: "cell-1", timeoutMs: 30_000 });
      } finally {
        await parts.close();
      }
    };
    await assert.rejects(ask(false), { name: "NoAnswer" });
    assert.equal(asked, 0, "nothing was sent there");
    assert.equal((await ask(true)).status, 302);
    assert.equal(asked, 1);
    server.close();
    server.closeAllConnections();
  });
});
