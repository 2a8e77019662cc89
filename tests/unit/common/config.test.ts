import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import Type from "typebox";
import { ConfigError, maskConfig, maskUrl, readConfig, Secret, UrlSetting } from "../../../common/config.ts";

const Settings = Type.Object({
  PORT: Type.Integer({ minimum: 1, maximum: 65_535, description: "port of the API" }),
  RATE: Type.Number({ default: 0.5, description: "requests a second" }),
  VERBOSE: Type.Boolean({ default: false, description: "say more" }),
  NAME: Type.Optional(Type.String({ description: "a name" })),
  DATABASE_URL: UrlSetting({ description: "the database", default: "postgres://app:hunter2@127.0.0.1/db" }),
  TOKEN: Secret({ description: "the token", default: "" }),
});

test("text becomes what the schema says, defaults are filled in, foreign variables are left alone", () => {
  const config = readConfig(Settings, { PORT: "8080", RATE: "1e-2", VERBOSE: "1", PATH: "/bin" });
  assert.equal(config.PORT, 8080);
  assert.equal(config.RATE, 0.01);
  assert.equal(config.VERBOSE, true);
  assert.equal(config.NAME, undefined);
  assert.ok(!("PATH" in config));
});

test("an empty variable counts as not set", () => {
  assert.equal(readConfig(Settings, { PORT: "1", RATE: "", NAME: "" }).RATE, 0.5);
  assert.equal(readConfig(Settings, { PORT: "1", NAME: "" }).NAME, undefined);
});

test("every wrong or missing setting is named with its meaning, in one error", () => {
  assert.throws(
    () => readConfig(Settings, { RATE: "fast", VERBOSE: "perhaps" }),
    (error: Error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /PORT is missing \(port of the API\)/);
      assert.match(error.message, /RATE .*\(requests a second\)/);
      assert.match(error.message, /VERBOSE .*\(say more\)/);
      return true;
    },
  );
});

for (const port of ["0", "65536", "80.5", "0x50 ", "eighty", " ", "NaN", "Infinity"]) {
  test(`a port of ${JSON.stringify(port)} is refused or read as the number it is`, () => {
    if (port === "0x50 ") assert.equal(readConfig(Settings, { PORT: port }).PORT, 80);
    else assert.throws(() => readConfig(Settings, { PORT: port }), ConfigError);
  });
}

test("an error never shows the value that was given", () => {
  const Strict = Type.Object({ TOKEN: Type.String({ minLength: 100, secret: true, description: "the token" }) });
  assert.throws(
    () => readConfig(Strict, { TOKEN: "hunter2" }),
    (error: Error) => !error.message.includes("hunter2"),
  );
});

test("a setting may come from a file; the variable itself goes first", () => {
  const folder = mkdtempSync(join(tmpdir(), "cellplane-config-"));
  try {
    const file = join(folder, "token");
    writeFileSync(file, "from-file\n");
    assert.equal(readConfig(Settings, { PORT: "1", TOKEN_FILE: file }).TOKEN, "from-file");
    assert.equal(readConfig(Settings, { PORT: "1", TOKEN_FILE: file, TOKEN: "own" }).TOKEN, "own");
    assert.throws(() => readConfig(Settings, { PORT: "1", TOKEN_FILE: join(folder, "none") }), { code: "ENOENT" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("printed settings show no secret and no password of a URL", () => {
  const config = readConfig(Settings, { PORT: "8080", TOKEN: "hunter2" });
  const printed = maskConfig(Settings, config);
  assert.deepEqual(printed, {
    PORT: 8080,
    RATE: 0.5,
    VERBOSE: false,
    DATABASE_URL: "postgres://app:***@127.0.0.1/db",
    TOKEN: "***",
  });
  assert.ok(!JSON.stringify(printed).includes("hunter2"));
});

for (const [url, masked] of [
  ["redis://:secret@127.0.0.1:6379/0", "redis://:***@127.0.0.1:6379/0"],
  ["postgres://user@host/db", "postgres://user@host/db"],
  ["http://127.0.0.1:8080/a:b@c", "http://127.0.0.1:8080/a:b@c"],
  ["postgres://u:p:with:colons@host/db", "postgres://u:***@host/db"],
  ["postgres://u:p@ss@host/db", "postgres://u:***@host/db"],
] as const) {
  test(`${masked} is how a URL of that kind is printed`, () => {
    assert.equal(maskUrl(url), masked);
  });
}
