// Loss and gradient norm over the steps: the twin, the spread of its siblings, every recipe.
import { useMemo, useState } from 'preact/hooks';
import { type Band, Chart, type Line, styleOf } from './chart';
import { figure, plural, toNumber } from './numbers';
import type { Num, Report } from './report';
import { usePalette } from './theme';

type Quantity = 'loss' | 'loss_in_fp32' | 'gradient_norm';
const quantities: { id: Quantity; name: string; meaning: string }[] = [
    { id: 'loss', name: 'Loss', meaning: 'as the recipe computed it' },
    {
        id: 'loss_in_fp32',
        name: 'Loss, in fp32',
        meaning:
            'of the recipe\u2019s weights, computed in fp32 at sampled steps: what they are worth without the rounding of the forward pass',
    },
    { id: 'gradient_norm', name: 'Gradient norm', meaning: 'L2 norm of the unscaled gradients before clipping' },
];

/** Centred mean over about a fortieth of the run; a value that is not finite stays one. */
function smoothed(values: number[], on: boolean): number[] {
    if (!on) return values;
    const reach = Math.max(1, Math.round(values.length / 80));
    return values.map((value, i) => {
        if (!Number.isFinite(value)) return value;
        let sum = 0,
            count = 0;
        for (let k = Math.max(0, i - reach); k <= Math.min(values.length - 1, i + reach); ++k)
            if (Number.isFinite(values[k]!)) {
                sum += values[k]!;
                ++count;
            }
        return sum / count;
    });
}

const drawable = (values: number[], steps: number, log: boolean) =>
    Array.from({ length: steps }, (_, i) => {
        const value = values[i];
        return value === undefined || !Number.isFinite(value) || (log && value <= 0) ? null : value;
    });

export function firstBreak(values: Num[]): { step: number; name: string } | undefined {
    const step = values.findIndex((value) => !Number.isFinite(toNumber(value)));
    return step >= 0 ? { step, name: String(values[step]) } : undefined;
}

export function CurvesSection({ report }: { report: Report }) {
    const palette = usePalette();
    const [quantity, setQuantity] = useState<Quantity>('loss');
    const sampled = report.recipes.some((recipe) =>
        recipe.loss_in_fp32.some((value) => Number.isFinite(toNumber(value))),
    );
    const [log, setLog] = useState(false);
    const [smooth, setSmooth] = useState(report.reference.loss.length > 60);
    const count = Math.max(report.reference.loss.length, ...report.recipes.map((recipe) => recipe.loss.length), 0);
    const steps = useMemo(() => Array.from({ length: count }, (_, i) => i), [count]);

    const { lines, bands, ceiling } = useMemo(() => {
        const prepared = (values: Num[]) => drawable(smoothed(values.map(toNumber), smooth), count, log);
        const runs: Line[] = report.recipes.map((recipe, index) => ({
            name: recipe.name,
            ...styleOf(palette.series, index),
            values: prepared(recipe[quantity]),
            dots: quantity === 'loss_in_fp32',
            breaks: quantity === 'loss' ? firstBreak(recipe.loss) : undefined,
        }));
        const twin: Line = {
            name: `${report.reference.name || 'fp32'} twin`,
            color: palette.underlay,
            dash: [],
            width: 5,
            values: prepared(report.reference[quantity === 'loss_in_fp32' ? 'loss' : quantity]),
        };
        const all = [report.reference.loss, ...report.reference.sibling_losses].map((values) => prepared(values));
        let spread: Band | undefined;
        if (quantity !== 'gradient_norm' && all.length > 1) {
            const known = steps.map((i) =>
                all.map((values) => values[i]).filter((value): value is number => value != null),
            );
            spread = {
                name: `spread of ${all.length} fp32 seeds`,
                low: known.map((values) => (values.length > 0 ? Math.min(...values) : null)),
                high: known.map((values) => (values.length > 0 ? Math.max(...values) : null)),
            };
        }
        const calm = [...twin.values, ...(spread?.high ?? [])].filter((value): value is number => value !== null);
        return { lines: [twin, ...runs], bands: spread && [spread], ceiling: calm.length > 0 ? Math.max(...calm) : Infinity };
    }, [report, palette, quantity, log, smooth, count]);

    // On a linear scale a run that blows up must not flatten the others: three times the twin's highest is enough.
    const range = (low: number, high: number): [number, number] => {
        const top = Math.min(high, 3 * ceiling);
        const margin = 0.06 * (top - low) || 0.05 * Math.abs(top) || 1;
        return [low >= 0 ? Math.max(0, low - margin) : low - margin, top + margin];
    };
    if (count === 0) return null;
    const spoken = lines
        .map((line) => {
            const known = line.values.filter((value): value is number => value !== null);
            return known.length > 0
                ? `${line.name} from ${figure(known[0]!, 3)} to ${figure(known[known.length - 1]!, 3)}${line.breaks ? `, then ${line.breaks.name}` : ''}`
                : '';
        })
        .filter(Boolean)
        .join('; ');
    return (
        <section id="curves" aria-labelledby="curves-title">
            <h2 id="curves-title">Does it learn like fp32?</h2>
            <p class="lead">
                Same seed, same batches, same order. Drag to zoom, double-click to go back; the legend hides and shows.
            </p>
            <div class="controls">
                <div class="segments" role="group" aria-label="Quantity">
                    {quantities
                        .filter(({ id }) => id !== 'loss_in_fp32' || sampled)
                        .map(({ id, name, meaning }) => (
                            <button
                                type="button"
                                aria-pressed={quantity === id}
                                title={meaning}
                                onClick={() => setQuantity(id)}
                            >
                                {name}
                            </button>
                        ))}
                </div>
                <label class="check">
                    <input type="checkbox" id="log" checked={log} onChange={() => setLog(!log)} /> logarithmic
                </label>
                <label class="check">
                    <input type="checkbox" checked={smooth} onChange={() => setSmooth(!smooth)} /> smoothed
                </label>
            </div>
            <Chart
                label={`${quantities.find(({ id }) => id === quantity)!.name} over ${plural(count, 'step')}: ${spoken}`}
                steps={steps}
                lines={lines}
                bands={bands}
                log={log ? 10 : undefined}
                range={log ? undefined : range}
                height={320}
                axisValue={(value) => figure(value, 3)}
                legendValue={(value) => figure(value, 4)}
            />
        </section>
    );
}
