import assert from "node:assert/strict";
import { test } from "node:test";
import { newSecret, signedHeaders } from "../../../control-plane/webhooks/signature.ts";
import { pauseAfter, pausesSeconds } from "../../../control-plane/webhooks/schedule.ts";

test("a message is signed as the reference libraries of Standard Webhooks sign theirs", () => {
  // The test vector that those libraries share.
  const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  const message = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
  assert.deepEqual(signedHeaders(secret, message, 1_614_265_330_999), {
    "webhook-id": message.id,
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

test("a secret has the form and the length that receivers' libraries take, and is never the same", () => {
  const secrets = new Set(Array.from({ length: 50 }, newSecret));
  assert.equal(secrets.size, 50);
  for (const secret of secrets) {
    assert.match(secret, /^whsec_[A-Za-z0-9+/]+=*$/);
    assert.equal(Buffer.from(secret.slice(6), "base64").length, 32);
  }
});

test("tries become ever rarer, differ by a fifth at most, and end", () => {
  for (const [n, seconds] of pausesSeconds.entries()) {
    assert.equal(pauseAfter(n + 1, 0.5), seconds);
    assert.ok(
      (pauseAfter(n + 1, 0) ?? 0) >= seconds * 0.8 - 1e-6 && (pauseAfter(n + 1, 1) ?? 0) <= seconds * 1.2 + 1e-6,
    );
    assert.ok(seconds >= (pausesSeconds[n - 1] ?? 0));
  }
  assert.equal(pauseAfter(pausesSeconds.length + 1, 0.5), null);
  assert.ok(pausesSeconds.reduce((sum, seconds) => sum + seconds, 0) > 2 * 86_400, "a day's outage is outlived");
});
