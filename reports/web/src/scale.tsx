// The loss scale over the steps, and the scales that each layer's gradients would fit.
import { useMemo } from 'preact/hooks';
import { Chart, type Line, styleOf } from './chart';
import { plural, powerOfTwo, toNumber } from './numbers';
import type { Recipe } from './report';
import { Tabs } from './tabs';
import { usePalette } from './theme';
import { typeset } from './typeset';

const log2 = (value: number) => (value > 0 ? Math.log2(value) : NaN);
/** A window wider than this is open: a format with fp32's range, or gradients that are all zero. */
const widest = 60;
const open = ([from, to]: [number, number]) => to - from >= widest;

function Trajectory({ recipes }: { recipes: Recipe[] }) {
    const palette = usePalette();
    const count = Math.max(0, ...recipes.map((recipe) => recipe.loss_scale.trajectory.length));
    const steps = useMemo(() => Array.from({ length: count }, (_, i) => i), [count]);
    const lines = useMemo<Line[]>(
        () =>
            recipes.flatMap((recipe, index) => {
                if (recipe.loss_scale.rule === 'none') return [];
                const values = steps.map((i) => {
                    const value = log2(toNumber(recipe.loss_scale.trajectory[i]));
                    return Number.isFinite(value) ? value : null;
                });
                return [
                    {
                        name: recipe.name,
                        ...styleOf(palette.series, index),
                        dash: [],
                        values,
                        stepped: true,
                        ticks: recipe.loss_scale.skipped_at,
                    },
                ];
            }),
        [recipes, palette],
    );
    if (lines.length === 0) return null;
    const range = (low: number, high: number): [number, number] => [Math.floor(low) - 2, Math.ceil(high) + 1];
    return (
        <>
            <p class="lead">
                {recipes
                    .filter((recipe) => recipe.loss_scale.rule !== 'none')
                    .map(
                        (recipe) =>
                            `${recipe.name}: rule ${recipe.loss_scale.rule}, ${plural(recipe.loss_scale.skipped_steps, 'step')} skipped. `,
                    )}
                Ticks along the lower edge are skipped steps.
            </p>
            <Chart
                label="Loss scale over the steps"
                steps={steps}
                lines={lines}
                height={200}
                range={range}
                axisValue={(value) => (Number.isInteger(value) ? powerOfTwo(value) : '')}
                legendValue={(value) => powerOfTwo(Math.round(value))}
            />
        </>
    );
}

function Windows({ recipe }: { recipe: Recipe }) {
    const layers = recipe.layers.filter((layer) => layer.has_gradients);
    const known = layers.flatMap((layer) =>
        layer.scale_window_log2 && !open(layer.scale_window_log2) ? [layer.scale_window_log2] : [],
    );
    const used = recipe.loss_scale.trajectory.map((value) => log2(toNumber(value))).filter(Number.isFinite);
    const usedLow = Math.min(...used),
        usedHigh = Math.max(...used);
    const low = Math.max(-20, Math.min(0, usedLow, ...known.map(([from]) => from)) - 1);
    const high = Math.min(44, Math.max(24, usedHigh, ...known.map(([, to]) => to)) + 1);
    const place = (value: number) => `${(100 * (Math.max(low, Math.min(high, value)) - low)) / (high - low)}%`;
    const span = (from: number, to: number) => ({
        left: place(from - 0.5),
        width: `calc(${place(to + 0.5)} - ${place(from - 0.5)})`,
    });
    const ticks = Array.from(
        { length: Math.floor(high / 4) - Math.ceil(low / 4) + 1 },
        (_, i) => 4 * (Math.ceil(low / 4) + i),
    );
    const rowHeight = layers.length > 40 ? Math.max(4, Math.floor(640 / layers.length)) : 18;
    const every = Math.max(1, Math.ceil(13 / rowHeight));
    const fits = recipe.loss_scale.window_log2;
    return (
        <figure class="windows" aria-label={`Loss scales that fit each layer of ${recipe.name}`}>
            <div class="windows-axis" aria-hidden="true">
                <span />
                <div>
                    {ticks.map((tick) => (
                        <span style={{ left: place(tick) }}>{powerOfTwo(tick)}</span>
                    ))}
                </div>
            </div>
            <div class="windows-scroll" tabIndex={layers.length * rowHeight > 640 ? 0 : undefined}>
                <div class="windows-ground" aria-hidden="true">
                    {fits && <i class="fits" style={span(fits[0], fits[1])} />}
                    {used.length > 0 && (
                        <i class={usedLow === usedHigh ? 'used one' : 'used'} style={span(usedLow, usedHigh)} />
                    )}
                </div>
                <ul style={{ height: `${layers.length * rowHeight}px` }}>
                    {layers.map((layer, row) => (
                        <li
                            style={{ height: `${rowHeight}px`, lineHeight: `${Math.max(14, rowHeight)}px` }}
                            title={layer.name}
                        >
                            <span
                                class={row % every === 0 ? 'name' : 'visually-hidden'}
                                style={row % every === 0 ? { height: `${rowHeight * every}px` } : undefined}
                            >
                                <bdi>{layer.name}</bdi>
                            </span>
                            <span class="track">
                                {layer.scale_window_log2 ? (
                                    <b
                                        class={open(layer.scale_window_log2) ? 'open' : ''}
                                        style={span(...layer.scale_window_log2)}
                                    >
                                        <span class="visually-hidden">
                                            {powerOfTwo(layer.scale_window_log2[0])} to{' '}
                                            {powerOfTwo(layer.scale_window_log2[1])}
                                        </span>
                                    </b>
                                ) : (
                                    <em>{row % every === 0 ? 'no scale fits' : ''}</em>
                                )}
                            </span>
                        </li>
                    ))}
                </ul>
            </div>
            <figcaption class="legend">
                <span>
                    <i class="key window" />
                    fits the layer
                </span>
                {fits && (
                    <span>
                        <i class="key fits" />
                        fits every layer: {powerOfTwo(fits[0])} to {powerOfTwo(fits[1])}
                    </span>
                )}
                {used.length > 0 && (
                    <span>
                        <i class="key used" />
                        used: {powerOfTwo(Math.round(usedLow))}
                        {usedHigh > usedLow ? ` to ${powerOfTwo(Math.round(usedHigh))}` : ''}
                    </span>
                )}
            </figcaption>
        </figure>
    );
}

/** Whether a recipe's windows say anything: fp16's do, formats with fp32's range are open on both sides. */
const telling = (recipe: Recipe) =>
    recipe.layers.some((layer) => layer.has_gradients) &&
    (recipe.run.compute_format === 'fp16' ||
        recipe.layers.some((layer) => layer.scale_window_log2 && !open(layer.scale_window_log2)));

export function ScaleSection({
    recipes,
    chosen,
    onRecipe,
}: {
    recipes: Recipe[];
    chosen: number;
    onRecipe: (index: number) => void;
}) {
    const scaled = recipes.some((recipe) => recipe.loss_scale.rule !== 'none');
    const indices = recipes.flatMap((recipe, index) => (telling(recipe) ? [index] : []));
    if (!scaled && indices.length === 0) return null;
    const at = indices.includes(chosen) ? indices.indexOf(chosen) : 0;
    const recipe = indices.length > 0 ? recipes[indices[at]!] : undefined;
    return (
        <section id="scale" aria-labelledby="scale-title">
            <h2 id="scale-title">Loss scale</h2>
            {scaled && <Trajectory recipes={recipes} />}
            {recipe && (
                <>
                    <h3>Which scales would fit</h3>
                    <Tabs
                        label="Recipe"
                        names={indices.map((index) => recipes[index]!.name)}
                        chosen={at}
                        onChoose={(index) => onRecipe(indices[index]!)}
                    />
                    <p class="lead">{typeset(recipe.loss_scale.window_sentence)}</p>
                    <Windows recipe={recipe} />
                </>
            )}
        </section>
    );
}
