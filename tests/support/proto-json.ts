import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import protobuf from "protobufjs";

// Envoy's own .proto files, as @grpc/grpc-js-xds carries them; protobufjs has Google's.
const folderOf = (name: string): string => dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
const roots = [
  ...["envoy-api", "xds", "googleapis", "protoc-gen-validate"].map((name) =>
    join(folderOf("@grpc/grpc-js-xds"), "deps", name),
  ),
  folderOf("protobufjs"),
];

/** Loads Envoy's published schema. @param files below `envoy-api`, e.g. `envoy/config/cluster/v3/cluster.proto`. */
export async function envoySchema(files: readonly string[]): Promise<protobuf.Root> {
  const root = new protobuf.Root();
  const common = protobuf.common;
  root.resolvePath = (_origin, target) => {
    if (common.get(target) !== null) return target;
    return roots.map((each) => join(each, target)).find((path) => existsSync(path)) ?? target;
  };
  await root.load([...files], { keepCase: true });
  root.resolveAll();
  return root;
}

/**
 * What of a JSON value does not fit a message of that type, by the rules of proto3's JSON form: unknown fields, wrong kinds of values, unknown
 * names of enumerations, two members of a oneof. `Any` is checked as the type that it names.
 */
export function misfits(root: protobuf.Root, typeName: string, value: unknown, path = typeName): string[] {
  const wellKnown = wellKnownTypes[typeName];
  if (wellKnown !== undefined) return wellKnown(value) ? [] : [`${path}: not a ${typeName}`];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${path}: not a message`];
  const { "@type": any, ...members } = value as Record<string, unknown>;
  if (typeName === "google.protobuf.Any") {
    if (typeof any !== "string") return [`${path}: names no @type`];
    return misfits(root, any.slice(any.lastIndexOf("/") + 1), members, path);
  }
  const type = root.lookupType(typeName);
  const found = Object.entries(members).flatMap(([name, member]) => {
    const field = type.fields[name];
    return field === undefined
      ? [`${path}.${name}: no such field`]
      : fieldMisfits(root, field, member, `${path}.${name}`);
  });
  const doubles = type.oneofsArray
    .filter((oneof) => oneof.oneof.filter((name) => name in members).length > 1)
    .map((oneof) => `${path}: more than one of ${oneof.oneof.join(", ")}`);
  return [...found, ...doubles];
}

function fieldMisfits(root: protobuf.Root, field: protobuf.Field, value: unknown, path: string): string[] {
  field.resolve();
  if (field.map) {
    if (typeof value !== "object" || value === null) return [`${path}: not a map`];
    return Object.entries(value).flatMap(([key, member]) => singleMisfits(root, field, member, `${path}[${key}]`));
  }
  if (!field.repeated) return singleMisfits(root, field, value, path);
  if (!Array.isArray(value)) return [`${path}: not a list`];
  return value.flatMap((member, index) => singleMisfits(root, field, member, `${path}[${index}]`));
}

function singleMisfits(root: protobuf.Root, field: protobuf.Field, value: unknown, path: string): string[] {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Enum)
    return typeof value === "string" && value in resolvedType.values
      ? []
      : [`${path}: ${String(value)} is none of its values`];
  if (resolvedType instanceof protobuf.Type) return misfits(root, resolvedType.fullName.slice(1), value, path);
  return scalarFits(field.type, value) ? [] : [`${path}: not a ${field.type}`];
}

function scalarFits(type: string, value: unknown): boolean {
  if (type === "string" || type === "bytes") return typeof value === "string";
  if (type === "bool") return typeof value === "boolean";
  if (type === "double" || type === "float") return typeof value === "number";
  const whole = typeof value === "number" && Number.isInteger(value);
  return type.startsWith("u") ? whole && value >= 0 && value < 2 ** 53 : whole;
}

const wellKnownTypes: Readonly<Record<string, (value: unknown) => boolean>> = {
  "google.protobuf.Duration": (value) => typeof value === "string" && /^-?\d+(\.\d{1,9})?s$/.test(value),
  "google.protobuf.Struct": (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "google.protobuf.UInt32Value": (value) => Number.isInteger(value) && (value as number) >= 0,
  "google.protobuf.BoolValue": (value) => typeof value === "boolean",
};
