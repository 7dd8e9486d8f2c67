// A browser that does what it is told, line by line: JSON in, JSON out. What is to be seen there says Python (browser.py, checks.py).
import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

const require = createRequire(`${process.env.BROWSER_PACKAGES}/`);
const { chromium } = require("playwright-core");
const UPNG = require("upng-js");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

// Nothing that calls home; as root there is no sandbox.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
// Colours of a picture.
const COLOURS = 64;
// And how much of a long page is on it.
const TALLEST = 1400;

// Its profile is new and empty, and goes with it.
const browser = await chromium.launch({ executablePath: process.env.BROWSER, headless: true, args: FLAGS });
let window_ = null;
let page = null;
let complaints = [];

const element = ({ label, role, name, selector }) => {
  if (label) return page.getByLabel(label, { exact: true });
  if (role) return page.getByRole(role, { name, exact: true });
  return page.locator(selector);
};

const does = {
  // A window of its own: no cookies, and looks as it is told.
  async open({ theme = "light", width = 1280, height = 800, script = true, certificate }) {
    await window_?.close();
    window_ = await browser.newContext({
      colorScheme: theme,
      viewport: { width, height },
      javaScriptEnabled: script,
      ignoreHTTPSErrors: true,
      reducedMotion: "reduce",
      ...(certificate ? { clientCertificates: [certificate] } : {}),
    });
    page = await window_.newPage();
    complaints = [];
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
  },
  // The same window, cookies and all, looking otherwise.
  async look({ theme, width, height }) {
    await page.emulateMedia({ colorScheme: theme });
    await page.setViewportSize({ width, height });
  },
  async goto({ url }) {
    const answer = await page.goto(url);
    return answer?.status() ?? null;
  },
  async reload() {
    return (await page.reload())?.status() ?? null;
  },
  async fill({ text, ...where }) {
    await element(where).fill(text);
  },
  async choose({ option, ...where }) {
    await element(where).selectOption(option);
  },
  async click(where) {
    await element(where).click();
    await page.waitForLoadState();
  },
  async press({ key }) {
    await page.keyboard.press(key);
  },
  async type({ text }) {
    await page.keyboard.type(text);
  },
  async count(where) {
    return element(where).count();
  },
  async text({ selector = "body" }) {
    return page.locator(selector).first().innerText();
  },
  async url() {
    return page.url();
  },
  async evaluate({ expression }) {
    return page.evaluate(expression);
  },
  async until({ expression }) {
    // Playwright's own way to wait evaluates text in the page, which the page's policy forbids.
    for (const deadline = Date.now() + 60_000; ; await new Promise((go) => setTimeout(go, 50))) {
      if (await page.evaluate(expression).catch(() => false)) return;
      if (Date.now() > deadline) throw new Error("it never came to be");
    }
  },
  async cookies() {
    return window_.cookies();
  },
  async axe() {
    await page.evaluate(axe);
    const { violations } = await page.evaluate("axe.run(document, { resultTypes: ['violations'] })");
    return violations.map(({ id, help, nodes }) => ({ id, help, nodes: nodes.map((node) => node.html + " " + node.failureSummary) }));
  },
  async complaints() {
    return complaints.splice(0);
  },
  async screenshot({ path }) {
    const { width } = page.viewportSize();
    const height = Math.min(await page.evaluate("document.documentElement.scrollHeight"), TALLEST);
    const picture = UPNG.decode(await page.screenshot({ fullPage: true, clip: { x: 0, y: 0, width, height } }));
    const small = Buffer.from(UPNG.encode(UPNG.toRGBA8(picture), picture.width, picture.height, COLOURS));
    writeFileSync(path, small);
    return small.length;
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { does: what, ...how } = JSON.parse(line);
  let answer;
  try {
    answer = { value: (await does[what](how)) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
