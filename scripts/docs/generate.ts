/** `npm run docs`: makes what is made from the sources anew; see documents.ts. Commit what it changes together with the cause. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "../lib/bootstrap.mjs";
import { checkedIn, generatedFiles } from "./documents.ts";

for (const { path, make } of generatedFiles) {
  const text = await make();
  const isNew = text !== checkedIn(path);
  if (isNew) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  console.log(`${isNew ? "changed  " : "unchanged"}  ${path}`);
}
