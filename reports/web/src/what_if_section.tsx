// "What if": a format and a loss scale to try on the fp32 twin's histograms, with what every layer would lose.
import { useMemo, useState } from 'preact/hooks';
import { type Fate, rangeOf, storageFormats } from './formats';
import { integer, percent, plural, powerOfTwo } from './numbers';
import type { Recipe, Reference } from './report';
import { type Fates, type LayerOutlook, outlookOf } from './what_if';

const lowestScale = -8;
const highestScale = 40;
const mostRows = 24;
const drawn: Fate[] = ['lost', 'subnormal', 'normal', 'overflow'];
const words: Record<Fate, string> = {
    lost: 'become zero',
    subnormal: 'become subnormal',
    normal: 'keep full precision',
    overflow: 'become infinite',
};

const all = (fates: Fates) => drawn.reduce((sum, fate) => sum + fates[fate], 0);

function spoken(fates: Fates): string {
    const count = all(fates);
    if (count === 0) return 'none traced';
    return drawn
        .filter((fate) => fates[fate] > 0)
        .map((fate) => `${percent(fates[fate] / count)} ${words[fate]}`)
        .join(', ');
}

function Bar({ fates, label }: { fates: Fates; label: string }) {
    const count = all(fates);
    const text = `${label}: ${spoken(fates)}`;
    return (
        <span class="fates" role="img" aria-label={text} title={text}>
            {count > 0 &&
                drawn.map(
                    (fate) =>
                        fates[fate] > 0 && <i class={`key ${fate}`} style={{ flexGrow: fates[fate] / count }} />,
                )}
        </span>
    );
}

function lostWords({ forward, gradients }: LayerOutlook): string {
    const overflows = forward.overflow + gradients.overflow;
    const share = (fates: Fates) => (all(fates) > 0 ? fates.lost / all(fates) : 0);
    const parts = [];
    if (overflows > 0) parts.push(`${integer(overflows)} overflow`);
    if (share(gradients) > 0) parts.push(`${percent(share(gradients))} of gradients`);
    if (share(forward) > 0) parts.push(`${percent(share(forward))} forward`);
    return parts.join(', ') || 'nothing';
}

/** Worse first: what matters, then overflow, then the squared norm lost. */
function worse(a: LayerOutlook, b: LayerOutlook): number {
    const overflows = (one: LayerOutlook) => one.forward.overflow + one.gradients.overflow;
    if (a.matters !== b.matters) return a.matters ? -1 : 1;
    return Math.sign(overflows(b)) - Math.sign(overflows(a)) || b.lostSquares - a.lostSquares;
}

/** Where the reader starts: the format and scale of the recipe that the page opens with. */
function startOf(recipe: Recipe | undefined): { format: string; scale: number } {
    const format = recipe && storageFormats.some((one) => one.name === recipe.run.compute_format);
    const scales = (recipe?.loss_scale.trajectory ?? []).flatMap((one) =>
        typeof one === 'number' && one > 0 ? [one] : [],
    );
    const last = scales[scales.length - 1] ?? 1;
    return {
        format: format ? recipe.run.compute_format : 'fp16',
        scale: Math.max(lowestScale, Math.min(highestScale, Math.round(Math.log2(last)))),
    };
}

export function WhatIfSection({ reference, recipe }: { reference: Reference; recipe: Recipe | undefined }) {
    const start = useMemo(() => startOf(recipe), [recipe]);
    const [format, setFormat] = useState(start.format);
    const [scale, setScale] = useState(start.scale);
    const range = rangeOf(format)!;
    const layers = useMemo(
        () => reference.layers.filter((layer) => Object.keys(layer.tensors).length > 0),
        [reference],
    );
    const outlooks = useMemo(() => layers.map((layer) => outlookOf(layer, range, scale)), [layers, range, scale]);
    if (layers.length === 0) return null;
    const bad = outlooks.filter((one) => one.matters);
    // The rows keep the order of the network, so that they do not jump while the slider moves.
    const chosen = new Set([...outlooks].sort(worse).slice(0, mostRows));
    const rows = outlooks.filter((one) => chosen.has(one));
    const setting = `In ${format} with ${scale === 0 ? 'no loss scale' : `loss scale ${powerOfTwo(scale)}`}`;
    return (
        <section id="what-if" aria-labelledby="what-if-title">
            <h2 id="what-if-title">What if</h2>
            <p class="lead">
                What another format or loss scale would lose, counted from the fp32 twin’s own values: nothing is
                trained again. A loss matters when a value becomes infinite, or when what becomes zero carries more
                than 0.1 % of its tensor’s squared norm.
            </p>
            <div class="controls">
                <label>
                    Format{' '}
                    <select value={format} onChange={(event) => setFormat((event.target as HTMLSelectElement).value)}>
                        {storageFormats.map((one) => (
                            <option value={one.name}>{one.name}</option>
                        ))}
                    </select>
                </label>
                <label class="scale-slider">
                    Loss scale{' '}
                    <input
                        type="range"
                        min={lowestScale}
                        max={highestScale}
                        step={1}
                        value={scale}
                        aria-valuetext={`2 to the power of ${scale}`}
                        onInput={(event) => setScale(Number((event.target as HTMLInputElement).value))}
                    />
                    <output>{powerOfTwo(scale)}</output>
                </label>
                <span class="legend-inline">
                    {drawn.map((fate) => (
                        <span>
                            <i class={`key ${fate}`} />
                            {words[fate]}
                        </span>
                    ))}
                </span>
            </div>
            <p class="what-if-answer" aria-live="polite">
                {bad.length === 0
                    ? `${setting} nothing that matters would be lost in any of ${plural(outlooks.length, 'layer')}.`
                    : `${setting}, ${integer(bad.length)} of ${plural(outlooks.length, 'layer')} would lose something that matters.`}
            </p>
            <table class="what-if">
                <caption class={rows.length < outlooks.length ? 'quiet' : 'visually-hidden'}>
                    {rows.length < outlooks.length
                        ? `The ${integer(rows.length)} layers that would lose most, from input to output`
                        : 'Every layer, from input to output'}
                </caption>
                <thead>
                    <tr>
                        <th scope="col">layer</th>
                        <th scope="col">gradients</th>
                        <th scope="col">activations and weights</th>
                        <th scope="col">lost</th>
                    </tr>
                </thead>
                <tbody>
                    {rows.map((one) => (
                        <tr class={one.matters ? 'matters' : ''}>
                            <th scope="row">
                                <bdi>{one.layer.name || '(model)'}</bdi>
                                {one.matters && <span class="visually-hidden"> (matters)</span>}
                            </th>
                            <td>
                                <Bar fates={one.gradients} label="Gradients" />
                            </td>
                            <td>
                                <Bar fates={one.forward} label="Activations and weights" />
                            </td>
                            <td>{lostWords(one)}</td>
                        </tr>
                    ))}
                </tbody>
            </table>
        </section>
    );
}
