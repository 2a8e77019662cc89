/** A peer's part: the smallest BullMQ worker that waits for jobs. */
import process from "node:process";
import { Worker } from "bullmq";

const { hostname, port, password } = new URL(process.argv[2] ?? "");
const worker = new Worker("jobs", () => Promise.resolve(), {
  connection: { host: hostname, port: Number(port), password: decodeURIComponent(password) },
});
await worker.waitUntilReady();
