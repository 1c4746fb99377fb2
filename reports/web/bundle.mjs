// Bundles a page's script and styles into one HTML file:  node bundle.mjs SOURCES NODE_MODULES OUTPUT ENTRY
// What stays open in it ({{title}}, {{summary}}, {{data}}) is filled in by reports/render/page.cpp.
import { createRequire } from 'node:module';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [sources, packages, output, entry] = process.argv.slice(2);
const { buildSync } = createRequire(join(packages, 'resolve.js'))('esbuild');

const bundle = buildSync({
    entryPoints: [join(sources, entry)],
    outdir: '/',
    bundle: true,
    minify: true,
    write: false,
    legalComments: 'inline',
    charset: 'utf8',
    format: 'iife',
    target: ['es2021', 'chrome90', 'firefox90', 'safari15'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    nodePaths: [packages],
    logLevel: 'warning',
});
const text = (suffix) => bundle.outputFiles.find((file) => file.path.endsWith(suffix))?.text ?? '';

// Function replacements: a "$" in the code stays a "$".
const page = readFileSync(join(sources, 'page.html'), 'utf8')
    .replace('/*styles*/', () => text('.css'))
    .replace('/*script*/', () => text('.js'));
writeFileSync(output, page);
