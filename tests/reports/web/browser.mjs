// Opens the sample report in Chromium and uses it as a reader would:  node browser.mjs PACKAGES SAMPLE_FOLDER BIG_FOLDER
// Fails on any console message of a fault, any request beyond the page's own file, a part that does not react, or a rule of
// accessibility that is broken.
// Exit code 77 (a visible skip) when there is no Chromium.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { patience, reader } from './reader.mjs';

const [packages, sample, big] = process.argv.slice(2);
const { browser, faults, open: openFile, checkAccessibility } = await reader(packages);

async function open(folder, query = '', viewport) {
    const page = await openFile(join(folder, 'report.html'), query, viewport);
    await page.locator('#heat').waitFor();
    return page;
}

const frame = (page) =>
    page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
/** What a reader would wait for: the check holds before long. */
async function eventually(check) {
    for (const end = Date.now() + patience / 6; ;) {
        try {
            return await check();
        } catch (error) {
            if (Date.now() > end) throw error;
            await new Promise((done) => setTimeout(done, 50));
        }
    }
}
const says = (locator, text) =>
    eventually(async () => {
        const said = await locator.innerText();
        if (text instanceof RegExp) assert.match(said, text);
        else assert.equal(said, text);
    });
const changes = (read, before) =>
    eventually(async () => {
        const now = await read();
        assert.notEqual(now, before);
        return now;
    });
/** By the rule the page states, value by value: layers in which one overflows, or what rounds to zero weighs over 0.1 %. */
function layersThatLose(reference, format, scale) {
    const [halfSmallest, largest] = { fp16: [2 ** -25, 65520], bf16: [2 ** -134, Infinity] }[format];
    return reference.layers
        .filter((layer) =>
            Object.entries(layer.tensors).some(([role, group]) =>
                (group.members ?? [group]).some((tensor) => {
                    const factor = role.endsWith('gradient') ? 2 ** scale : 1;
                    const squares = tensor.exponents.counts.map((count, i) => {
                        const value = 2 ** (tensor.exponents.lowest + i) * factor;
                        return { square: count * value * value, lost: value < halfSmallest };
                    });
                    const sum = (some) => some.reduce((total, one) => total + one.square, 0);
                    const lost = sum(squares.filter((one) => one.lost));
                    return tensor.amax * factor >= largest || lost > 0.001 * sum(squares);
                }),
            ),
        )
        .map((layer) => layer.name);
}
/** The canvas as the reader sees it. */
const painted = (page) => page.locator('#heat').evaluate((canvas) => canvas.toDataURL());

const journeys = {
    async 'verdicts come first, in words'(page) {
        const title = await page.locator('h1').innerText();
        assert.match(
            title.replace(/\u2011/g, '-'),
            /fp16-amp and bf16-amp are safe; bf16-pure is risky; fp16-pure is unsafe/,
        );
        assert.deepEqual(await page.locator('.verdicts .word').allInnerTexts(), ['safe', 'safe', 'risky', 'unsafe']);
        const order = await page.evaluate(() =>
            [...document.querySelectorAll('main > section')].map((section) => section.id),
        );
        assert.deepEqual(order, ['verdicts', 'findings', 'fix', 'curves', 'scale', 'range', 'what-if', 'fidelity', 'kernels', 'reproduce']);
    },
    async 'text of the report is never markup'(page) {
        assert.match(await page.locator('.notes').first().innerText(), /<\/script><script>alert\(1\)<\/script>/);
    },
    async 'kernels that validate judged stand beside it, skips apart'(page) {
        assert.match(await page.locator('#kernels .lead').innerText(), /1 of 2 kernels failed, 1 skipped/);
        assert.equal(await page.locator('#kernels tbody tr').count(), 2);
        await page.locator('#kernels tbody summary').nth(1).click();
        await says(page.locator('#kernels tbody tr:nth-child(2) p'), /Every wrong result is <\/script> zero/);
        assert.match(await page.locator('#kernels .skipped').textContent(), /elsewhere there is no CUDA device/);
    },
    async 'a cell of the heat map shows its tensor'(page) {
        const box = await page.locator('#heat').boundingBox();
        await page.locator('#heat').click({ position: { x: box.width * 0.75, y: box.height - 5 } }); // the last layer
        await says(page.locator('#tensor h3'), 'head.fc linear');
        await says(page.locator('#heat-cell'), /^head\.fc, step 9\d: .* underflow$/);
        assert.ok((await page.locator('#tensor .histogram rect.bar').count()) > 10);
    },
    async 'arrow keys walk the cells'(page) {
        await page.locator('#heat').focus();
        await page.keyboard.press('ArrowUp');
        await page.keyboard.press('Home');
        await says(page.locator('#heat-cell'), /^stage2\.block0\.conv2, step 0: /);
        await says(page.locator('#tensor h3'), 'stage2.block0.conv2 conv2d');
    },
    async 'metric, role and recipe change what is drawn'(page) {
        const underflow = await painted(page);
        await page.getByRole('button', { name: 'Inf / NaN' }).click();
        const broken = await changes(() => painted(page), underflow);
        await page.locator('#range select').selectOption('activation');
        await changes(() => painted(page), broken);
        await page.locator('#range').getByRole('radio', { name: 'bf16-amp' }).click();
        await says(page.locator('.worst p.quiet').first(), 'No tensor has any: non-zero values that became zero.');
        await page.locator('#range').getByRole('radio', { name: 'fp16-pure' }).click();
    },
    async 'a search narrows the layers'(page) {
        const before = (await page.locator('#heat').boundingBox()).height;
        await page.locator('#range input[type=search]').fill('stage2');
        await eventually(async () => assert.ok((await page.locator('#heat').boundingBox()).height < before / 2));
        await page.locator('#range input[type=search]').fill('no such layer');
        await page.getByText('No layer matches.').waitFor();
        await page.locator('#range input[type=search]').fill('');
    },
    async 'a finding leads to its tensor'(page) {
        await page.locator('.finding').first().getByRole('button').click();
        await says(page.locator('#heat-cell'), /^stem\.conv, step 3: /);
        await says(page.locator('#tensor h3'), 'stem.conv conv2d');
    },
    async 'the slider tells what a format and a loss scale would lose'(page) {
        const answer = page.locator('#what-if .what-if-answer');
        const slider = page.locator('#what-if input[type=range]');
        const reference = await page.evaluate(() => JSON.parse(document.getElementById('data').textContent).report.reference);
        for (const [format, scale] of [['fp16', -8], ['fp16', 14], ['fp16', 18], ['fp16', 40], ['bf16', 0]]) {
            await page.locator('#what-if select').selectOption(format);
            await slider.fill(String(scale));
            const names = layersThatLose(reference, format, scale);
            await says(answer, names.length === 0 ? /^In .* nothing that matters/ : new RegExp(`, ${names.length} of \\d+ layers would`));
            const marked = await page.locator('#what-if tr.matters th bdi').allInnerTexts();
            assert.ok(marked.length > 0 || names.length === 0);
            assert.deepEqual(marked.filter((name) => !names.includes(name)), []);
        }
        // The check would be empty if no setting of the sample lost anything at either end.
        for (const scale of [-8, 18]) assert.ok(layersThatLose(reference, 'fp16', scale).length > 0);
        await page.locator('#what-if select').selectOption('fp16');
        await slider.fill('13');
        await slider.press('ArrowRight');
        await says(page.locator('#what-if output'), '2¹⁴');
    },
    async 'curves: logarithm, quantity, legend'(page) {
        const curve = () => page.locator('#curves canvas').evaluate((canvas) => canvas.toDataURL());
        const linear = await curve();
        await page.locator('#log').check();
        const log = await changes(curve, linear);
        await page.getByRole('button', { name: 'Gradient norm' }).click();
        await changes(curve, log);
        await page.getByRole('button', { name: 'Loss', exact: true }).click();
        const legend = page.locator('#curves .legend button', { hasText: 'fp16-pure' });
        await legend.click();
        await eventually(async () => assert.equal(await legend.getAttribute('aria-pressed'), 'false'));
    },
    async 'colours change, and the heat map with them'(page) {
        await frame(page);
        const before = await painted(page);
        await page.locator('#theme').click();
        await changes(() => painted(page), before);
        assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark');
    },
    async 'the data can be saved'(page) {
        const [download] = await Promise.all([
            page.waitForEvent('download'),
            page.getByRole('button', { name: 'Save report.json' }).click(),
        ]);
        assert.equal(download.suggestedFilename(), 'report.json');
    },
    async 'every control has a name'(page) {
        const nameless = await page.evaluate(() =>
            [...document.querySelectorAll('button, select, input, canvas[tabindex], svg[role=img]')]
                .filter((one) => !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))
                .map((one) => one.outerHTML.slice(0, 80)),
        );
        assert.deepEqual(nameless, []);
    },
};

const page = await open(sample, '?theme=light');
let failed = 0;
for (const [name, journey] of Object.entries(journeys)) {
    try {
        await journey(page);
        console.log(`ok      ${name}`);
    } catch (error) {
        ++failed;
        console.log(`FAILED  ${name}\n        ${String(error.message).split('\n').join('\n        ')}`);
    }
}
await page.close();

for (const theme of ['light', 'dark']) {
    const still = await open(sample, `?theme=${theme}`);
    await checkAccessibility(still, theme);
    await still.close();
}

const narrow = await open(sample, '', { width: 390, height: 844 });
const beyond = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
if (beyond > 0) faults.push(`a phone has to scroll sideways by ${beyond} pixels`);
await narrow.close();

// Main-thread seconds, not wall time: what else runs on the machine must not decide.
const large = await browser.newPage();
large.setDefaultTimeout(patience);
const session = await large.context().newCDPSession(large);
await session.send('Performance.enable', { timeDomain: 'threadTicks' });
await large.goto(pathToFileURL(join(big, 'report.html')).href);
await large.locator('#heat').waitFor();
await frame(large);
const { metrics } = await session.send('Performance.getMetrics');
const seconds = metrics.find((metric) => metric.name === 'TaskDuration').value;
console.log(
    `1,000 layers by 1,000 steps: ${(statSync(join(big, 'report.html')).size / 2 ** 20).toFixed(1)} MiB, open after ${seconds.toFixed(2)} s of work`,
);
const opensWithin = 3; // seconds, the report's own promise
if (!(seconds < opensWithin)) faults.push(`a large report takes ${seconds} s to open`);
const worked = async () =>
    (await session.send('Performance.getMetrics')).metrics.find((metric) => metric.name === 'TaskDuration').value;
const before = await worked();
const moves = 10;
for (let scale = 0; scale < moves; ++scale) {
    await large.locator('#what-if input[type=range]').fill(String(scale));
    await frame(large);
}
const perMove = (await worked()) - before;
console.log(`1,000 layers: ${((1000 * perMove) / moves).toFixed(0)} ms of work for each move of the slider`);
const followsWithin = 0.1; // seconds: what feels at once
if (!(perMove / moves < followsWithin)) faults.push(`the slider takes ${perMove / moves} s to answer`);
await browser.close();

for (const fault of faults) console.log(`FAULT   ${fault}`);
process.exit(failed + faults.length > 0 ? 1 : 0);
