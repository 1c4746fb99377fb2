// A reader's browser for the page tests: Chromium, with every fault of a page gathered, and axe-core's rules for those who
// read by keyboard or by ear.
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

export const patience = 180_000; // ms: a busy machine is no fault

/** `packages`: the node_modules folder (absolute). Ends the process with 77, a visible skip, when there is no Chromium. */
export async function reader(packages) {
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
    const fetched = createRequire(join(packages, 'resolve.js'));
    const browser = await fetched('playwright-core').chromium.launch({
        executablePath,
        args: [
            '--no-sandbox',
            '--disable-gpu',
            '--disable-quic',
            '--disable-background-networking',
            '--disable-component-update',
            '--disable-sync',
        ],
    });
    const faults = [];
    return {
        browser,
        faults,
        /** Opens a page from disk; its console messages and any request beyond its own file are faults. */
        async open(file, query = '', viewport = { width: 1280, height: 900 }) {
            const page = await browser.newPage({ viewport });
            page.setDefaultTimeout(patience);
            const address = pathToFileURL(file).href;
            page.on('console', (message) => faults.push(`console ${message.type()}: ${message.text()}`));
            page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
            page.on('request', (request) => {
                if (request.url().split('?')[0] !== address && !request.url().startsWith('blob:'))
                    faults.push(`request: ${request.url()}`);
            });
            await page.goto(address + query);
            return page;
        },
        /** Every rule of axe-core that the page as it stands breaks is a fault. */
        async checkAccessibility(page, name) {
            await page.addScriptTag({ path: fetched.resolve('axe-core/axe.min.js') });
            const { passes, violations } = await page.evaluate(() => globalThis.axe.run());
            for (const { id, help, nodes } of violations)
                for (const node of nodes) faults.push(`${name}: ${id}: ${help}: ${node.target.join(' ')}`);
            console.log(`${name}: ${passes.length} rules of accessibility hold, ${violations.length} broken`);
        },
    };
}
