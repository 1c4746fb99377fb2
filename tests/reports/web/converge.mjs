// Opens the page of a sweep in Chromium and uses it as a reader would:  node converge.mjs PACKAGES FOLDER [SCREENSHOT]
// FOLDER holds converge.html. Fails on any console message, any request beyond the page's own file, or a part that does
// not react. Exit code 77 (a visible skip) when there is no Chromium.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, folder, screenshot] = process.argv.slice(2);
const executablePath = [
    process.env.CHROMIUM,
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));
if (!executablePath) {
    console.log('skipped: install chromium');
    process.exit(77);
}
const { chromium } = createRequire(join(packages, 'resolve.js'))('playwright-core');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
const faults = [];
const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
page.setDefaultTimeout(180_000); // a busy machine is no fault
const address = pathToFileURL(join(folder, 'converge.html')).href;
page.on('console', (message) => faults.push(`console ${message.type()}: ${message.text()}`));
page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
page.on('request', (request) => {
    if (request.url().split('?')[0] !== address) faults.push(`request: ${request.url()}`);
});
await page.goto(`${address}?theme=dark`);
await page.locator('#curves .u-over').waitFor();

const report = JSON.parse(await page.locator('#data').textContent());
assert.equal(await page.locator('.statements li').count(), report.recipes.length + report.others.length);
assert.equal(await page.locator('.figures tbody tr').count(), report.recipes.length);
for (const recipe of report.recipes)
    assert.ok((await page.locator('.statements').textContent()).includes(recipe.sentence), recipe.name);

/** What the chart's canvas shows, to see that something changed. */
const picture = () => page.locator('#curves canvas').evaluate((canvas) => canvas.toDataURL());
let before = await picture();
for (const quantity of ['held-out loss', 'held-out accuracy', 'difference to fp32', 'training loss']) {
    await page.getByRole('button', { name: quantity, exact: true }).click();
    const now = await picture();
    assert.notEqual(now, before, quantity);
    before = now;
}
await page.locator('#log').check();
assert.notEqual(await picture(), before, 'logarithmic');
before = await picture();
await page.locator('.legend button').nth(1).click();
assert.notEqual(await picture(), before, 'a hidden recipe');
await page.locator('#curves .u-over').hover();
assert.match(await page.locator('.legend .step').textContent(), /step \d+/);
if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
await page.locator('#theme').click();
assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
await page.setViewportSize({ width: 390, height: 800 });
// The chart follows the new width a frame or two later.
await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 30_000 });
assert.deepEqual(faults, []);
await browser.close();
console.log('checked: sentences, curves, legend, table, themes');
