import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { findBrowser } from "../../scripts/setup/browser.ts";
import { eventually, TestFleet } from "../support/fleet.ts";

/** A page changes by itself within this time: an event, or the next time it asks. */
const soonMs = 15_000;

describe("the dashboard in a browser", () => {
  let fleet: TestFleet;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const complaints: string[] = [];

  before(async () => {
    const executablePath = findBrowser();
    assert.ok(executablePath !== null, "Chromium is installed");
    fleet = await TestFleet.start();
    browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-background-networking"] });
    context = await browser.newContext();
    page = await context.newPage();
    page.setDefaultTimeout(soonMs);
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("console", (message) => {
      // A refusal is said by the page, and by the browser too.
      if (message.type() === "error" && !/ 401 | 409 /.test(message.text())) complaints.push(message.text());
    });
  });
  after(async () => {
    await browser?.close();
    await fleet?.remove();
  });

  const go = async (name: string): Promise<void> => {
    await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();
    await page.getByRole("heading", { level: 1, name }).waitFor();
  };
  const signInCode = () => fleet.json<{ code: string; url: string; link: string }>(["sign-in"]);

  it("signs in with a code that works once, refuses it the second time, and takes a link", async () => {
    const { code, url, link } = await signInCode();
    await eventually("the dashboard is built", 120_000, async () =>
      (await (await fetch(url)).text()).includes('type="module"') ? true : null,
    );
    const policy = (await fetch(url)).headers.get("content-security-policy");
    assert.match(policy ?? "", /default-src 'none'; script-src 'self'; style-src 'self'/);

    await page.goto(url);
    await page.getByLabel("One-time code").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("One-time code").fill(code);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("alert").getByText("code-refused").waitFor();

    const again = await signInCode();
    assert.notEqual(again.link, link);
    await page.goto(again.link);
    await page.reload();
    await page.getByRole("heading", { level: 1, name: "Fleet" }).waitFor();
    assert.ok(!page.url().includes(again.code), "the code does not stay in the address");
  });

  it("shows every cell with its region, health and release", async () => {
    const cells = page.getByRole("region", { name: "Cells and releases" });
    for (const cell of (await fleet.status()).cells) {
      const row = cells.getByRole("row", { name: cell.id });
      await row.getByText("healthy").waitFor();
      await row.getByText(cell.region, { exact: true }).waitFor();
      await row.getByRole("img", { name: `${cell.id} serves pulse@1` }).waitFor();
    }
    await page.getByText("Live", { exact: true }).waitFor();
  });

  it("finds a tenant, suspends it with a reason, and resumes it", async () => {
    const [tenant] = await fleet.demo();
    assert.ok(tenant !== undefined);
    await go("Tenants");
    await page.getByRole("searchbox").fill(tenant.slug);
    await page.getByRole("button", { name: `Suspend ${tenant.slug}` }).click();
    await page.getByLabel("Reason").fill("a test of the dashboard");
    await page.getByRole("dialog").getByRole("button", { name: "Suspend" }).click();
    const row = page.getByRole("row", { name: tenant.slug });
    await row.getByText("suspended").waitFor();
    await row.getByText("a test of the dashboard").waitFor();
    assert.equal((await fleet.json<{ state: string }>(["tenant", "show", tenant.slug])).state, "suspended");

    await page.getByRole("button", { name: `Resume ${tenant.slug}` }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
    await row.getByText("active").waitFor();
  });

  it("shows totals over all cells, and says plainly when one is left out", async () => {
    await go("Numbers");
    const coverage = page.getByRole("region", { name: "Coverage" });
    await coverage.getByText("complete", { exact: true }).waitFor();
    await coverage.getByText("3 of 3 cells answered").waitFor();
    await page.getByText("by cell", { exact: true }).click();
    await page.getByRole("region", { name: "Events by cell" }).getByRole("rowheader", { name: "cell-2" }).waitFor();

    await fleet.json(["cell", "stop", "cell-2"]);
    await page.getByRole("alert").getByText("cell-2", { exact: false }).waitFor({ timeout: 60_000 });
    await coverage.getByText("partial", { exact: true }).waitFor();
    await fleet.json(["cell", "start", "cell-2"]);
    await coverage.getByText("complete", { exact: true }).waitFor({ timeout: 60_000 });
  });

  it("starts a rollout, shows it live, and rolls it back on command", async () => {
    await go("Rollout");
    await eventually("release 2 is stored", 120_000, async () => {
      const { releases } = await fleet.json<{ releases: { name: string }[] }>(["release", "list"]);
      return releases.some(({ name }) => name === "pulse@2") ? true : null;
    });
    await page.reload();
    await page.getByLabel("Roll out").selectOption("pulse@2");
    await page.getByRole("button", { name: "Start rollout" }).click();
    // The plan comes first, and exactly that one is begun.
    await page.getByRole("dialog").getByText("Wave 1 · canary").waitFor();
    await page.getByRole("dialog").getByText("plan ", { exact: false }).first().waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Start rollout" }).click();
    const waves = page.getByRole("region", { name: "Waves" });
    await waves.getByText("Wave 1 · canary").waitFor();
    // Without a reload: the canary goes through its steps.
    await waves.getByText("deployed").first().waitFor({ timeout: 90_000 });

    await page.getByRole("button", { name: "Bake longer" }).click();
    await page.getByRole("dialog").getByText("1 h", { exact: true }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Bake longer" }).click();
    await waves.getByText(/(1 h|5\d min).* left/).waitFor();
    await page.getByRole("button", { name: "Skip cell-3" }).click();
    await page.getByLabel("Reason").fill("not this one");
    await page.getByRole("dialog").getByRole("button", { name: "Skip" }).click();
    await waves.getByText("skipped").waitFor();
    await page.getByRole("button", { name: "Override" }).click();
    await page.getByRole("dialog").getByText("PASS: go on").click();
    await page.getByLabel("Reason").fill("good enough");
    await page.getByRole("dialog").getByRole("button", { name: "Override" }).click();
    assert.match(
      await page.getByRole("dialog").getByRole("alert").innerText(),
      /no verdict stands in its way: the rollout is baking/,
    );
    await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();

    await page.getByRole("button", { name: "Stop the line" }).click();
    await page.getByLabel("Reason").fill("all hands look");
    await page.getByRole("dialog").getByRole("button", { name: "Stop the line" }).click();
    await page.getByRole("alert").getByText("all hands look", { exact: false }).waitFor();
    await page.getByRole("button", { name: "Release the line" }).click();
    await page.getByLabel("Reason").fill("looked");
    await page.getByRole("dialog").getByRole("button", { name: "Release the line" }).click();
    await page.getByRole("button", { name: "Stop the line" }).waitFor();

    await page.getByRole("button", { name: "Roll back" }).click();
    await page.getByLabel("Reason").fill("seen enough");
    await page.getByRole("dialog").getByRole("button", { name: "Roll back" }).click();
    await page.getByRole("region", { name: "pulse@2" }).getByText("rolled-back").waitFor({ timeout: 120_000 });
    await page.getByRole("region", { name: "History" }).getByText("seen enough").first().waitFor();
    assert.deepEqual([...new Set((await fleet.status()).cells.map(({ release }) => release))], ["pulse@1"]);
  });

  it("takes another operator's approval, not the requester's", async () => {
    const { token } = await fleet.json<{ token: string }>(["operator", "add", "ada"]);
    const policy = join(fleet.home, "approved.json");
    writeFileSync(
      policy,
      JSON.stringify({ approvals: { required: 1, of: ["ada"], waves: [1], expiresSeconds: 3_600 } }),
    );
    await fleet.json(["rollout", "start", "pulse@2", "--policy", policy]);
    const approve = async (tab: Page): Promise<void> => {
      await tab.getByRole("button", { name: "Approve" }).click({ timeout: 60_000 });
      await tab.getByRole("dialog").getByRole("button", { name: "Approve" }).click();
    };
    await go("Rollout");
    await approve(page);
    assert.match(
      await page.getByRole("dialog").getByRole("alert").innerText(),
      /operator asked for the rollout; somebody else approves it/,
    );
    await page.getByRole("dialog").getByRole("button", { name: "Leave it" }).click();

    const address = (await fleet.status()).controlPlane.url ?? "";
    const made = await fetch(new URL("/v1/sign-in-codes", address), {
      method: "POST",
      headers: { authorization: `Bearer ${token}` },
    });
    const { code } = (await made.json()) as { code: string };
    const adas = await browser.newContext();
    const tab = await adas.newPage();
    tab.setDefaultTimeout(soonMs);
    await tab.goto(`${address}/#code=${code}`);
    await tab.getByRole("navigation", { name: "Pages" }).getByRole("link", { name: "Rollout" }).click();
    await approve(tab);
    await tab.getByRole("region", { name: "Waves" }).getByText("deployed").first().waitFor({ timeout: 90_000 });
    await tab.getByRole("region", { name: "History" }).getByText("ada").first().waitFor();
    await tab.getByRole("button", { name: "Cancel" }).click();
    await tab.getByLabel("Reason").fill("approved and seen");
    await tab.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
    await tab.getByRole("region", { name: "pulse@2" }).getByText("cancelled").waitFor({ timeout: 120_000 });
    await adas.close();
  });

  it("shows who did what, in a chain that holds", async () => {
    await go("Audit");
    await page.getByText("chain intact").waitFor();
    await page.getByRole("cell", { name: "seen enough" }).first().waitFor();
  });

  it("complained about nothing in the browser's console", () => {
    assert.deepEqual(complaints, []);
  });
});
