import type { Answer, Context } from "../context.ts";
import { readDemo } from "../home.ts";
import { table } from "../text.ts";

/** `demo`: from the file that only the owner may read; the control plane knows no key in clear. */
export async function showDemo(context: Context): Promise<Answer> {
  const fleet = await context.fleet();
  const demo = await readDemo(context.home);
  const [first] = demo.tenants;
  const lines = [
    table(
      ["TENANT", "TIER", "CELL", "HOST", "KEY"],
      demo.tenants.map((one) => [one.slug, one.tier, one.cell, one.host, one.key]),
    ),
  ];
  if (first !== undefined) {
    const port = new URL(fleet.urls.router).port;
    lines.push("", "Try:", `  curl -s -H "Authorization: Bearer ${first.key}" http://${first.host}:${port}/v1/stats`);
  }
  return { json: demo, text: lines.join("\n") };
}
