// Opens the page of a sweep in Chromium and uses it as a reader would:  node converge.mjs PACKAGES FOLDER [SCREENSHOT]
// FOLDER holds converge.html. Fails on any console message, any request beyond the page's own file, or a part that does
// not react. Exit code 77 (a visible skip) when there is no Chromium.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { reader } from './reader.mjs';

const [packages, folder, screenshot] = process.argv.slice(2);
const { browser, faults, open, checkAccessibility } = await reader(packages);
const page = await open(join(folder, 'converge.html'), '?theme=dark', { width: 1280, height: 1000 });
await page.locator('#curves .u-over').waitFor();

const report = JSON.parse(await page.locator('#data').textContent());
assert.equal(await page.locator('.statements li').count(), report.recipes.length + report.others.length);
assert.equal(await page.locator('.figures tbody tr').count(), report.recipes.length);
for (const recipe of report.recipes)
    assert.ok((await page.locator('.statements').textContent()).includes(recipe.sentence), recipe.name);

/** What the chart's canvas shows, to see that something changed. */
const picture = () => page.locator('#curves canvas').evaluate((canvas) => canvas.toDataURL());
/** The picture once it is another than `before`: the chart is drawn after the click's own task. */
async function changed(before, what) {
    const end = Date.now() + 5000;
    for (let now = await picture(); Date.now() < end; now = await picture()) {
        if (now !== before) return now;
        await page.waitForTimeout(20);
    }
    assert.fail(`the chart did not change: ${what}`);
}
let shown = await picture();
for (const quantity of ['held-out loss', 'held-out accuracy', 'difference to fp32', 'training loss']) {
    await page.getByRole('button', { name: quantity, exact: true }).click();
    shown = await changed(shown, quantity);
}
await page.locator('#log').check();
shown = await changed(shown, 'logarithmic');
await page.locator('.legend button').nth(1).click();
await changed(shown, 'a hidden recipe');
await page.locator('#curves .u-over').hover();
assert.match(await page.locator('.legend .step').textContent(), /step \d+/);
if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
await checkAccessibility(page, 'dark');
await page.locator('#theme').click();
assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');
await checkAccessibility(page, 'light');
await page.setViewportSize({ width: 390, height: 800 });
// The chart follows the new width a frame or two later.
await page.waitForFunction(() => document.documentElement.scrollWidth <= innerWidth, null, { timeout: 30_000 });
assert.deepEqual(faults, []);
await browser.close();
console.log('checked: sentences, curves, legend, table, themes');
