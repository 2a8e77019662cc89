import { generateKeyPairSync, randomBytes, sign } from "node:crypto";

/** A certificate that signed itself, with its key, both PEM. */
export interface MadeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** Makes a certificate (RFC 5280) for DNS names, with an elliptic key. @param days from now until it ends. */
export function makeCertificate(names: readonly string[], days = 30): MadeCertificate {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const now = Date.now();
  // ecdsa-with-SHA256, commonName, subjectAltName.
  const algorithm = sequence(tagged(0x06, Buffer.from("2a8648ce3d040302", "hex")));
  const commonName = tagged(0x06, Buffer.from("550403", "hex"));
  const name = sequence(tagged(0x31, sequence(commonName, tagged(0x0c, Buffer.from(names[0] ?? "", "utf8")))));
  const alternatives = sequence(...names.map((each) => tagged(0x82, Buffer.from(each, "ascii"))));
  const extension = sequence(tagged(0x06, Buffer.from("551d11", "hex")), tagged(0x04, alternatives));
  const body = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    sequence(time(now - 60_000), time(now + days * 86_400_000)),
    name,
    publicKey.export({ format: "der", type: "spki" }),
    tagged(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", body, privateKey);
  const certificate = sequence(body, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = certificate.toString("base64").replaceAll(/.{64}/g, "$&\n");
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
  };
}

/** Type, length and value (ITU-T X.690). */
function tagged(tag: number, value: Buffer): Buffer {
  const { length } = value;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), value]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

/** GeneralizedTime, in whole seconds. */
function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, "");
  return tagged(0x18, Buffer.from(text, "ascii"));
}
