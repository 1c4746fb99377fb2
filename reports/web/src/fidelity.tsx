// Update fidelity: the step that fp32 arithmetic would take from the recipe's own weights, beside the step it took.
import { useMemo, useState } from 'preact/hooks';
import { Chart, type Line, styleOf } from './chart';
import { figure, percent, toNumber } from './numbers';
import type { Recipe } from './report';
import { Tabs } from './tabs';
import { usePalette } from './theme';

type Measure = 'retained' | 'cosine' | 'norm_ratio' | 'moved';
const measures: { id: Measure; name: string; meaning: string }[] = [
    { id: 'retained', name: 'Kept', meaning: 'share of the fp32 update that the recipe\u2019s contains' },
    { id: 'moved', name: 'Moved', meaning: 'share of the weights fp32 would move that did move' },
    { id: 'cosine', name: 'Direction', meaning: 'cosine between the two updates: 1 is the same direction' },
    { id: 'norm_ratio', name: 'Length', meaning: 'length of the update over that of fp32: 1 is the same' },
];

const inPercent = (measure: Measure) => measure === 'moved' || measure === 'retained';

export function FidelitySection({
    recipes,
    chosen,
    onRecipe,
}: {
    recipes: Recipe[];
    chosen: number;
    onRecipe: (index: number) => void;
}) {
    const palette = usePalette();
    const [measure, setMeasure] = useState<Measure>('retained');
    const known = recipes.some((recipe) => recipe.fidelity.points.length > 0);
    const { steps, lines } = useMemo(() => {
        const all = [...new Set(recipes.flatMap((recipe) => recipe.fidelity.points.map((point) => point.step)))].sort(
            (a, b) => a - b,
        );
        const series: Line[] = recipes.flatMap((recipe, index) => {
            if (recipe.fidelity.points.length === 0) return [];
            const by = new Map(recipe.fidelity.points.map((point) => [point.step, toNumber(point[measure])]));
            const values = all.map((step) => {
                const value = by.get(step);
                return value !== undefined && Number.isFinite(value) ? value : null;
            });
            return [{ name: recipe.name, ...styleOf(palette.series, index), values, dots: true }];
        });
        return { steps: all, lines: series };
    }, [recipes, measure, palette]);
    if (!known) return null;
    const recipe = recipes[chosen]!;
    const layers = recipe.layers
        .filter((layer) => layer.fidelity[measure] !== null)
        .map((layer) => ({ name: layer.name, value: toNumber(layer.fidelity[measure]) }))
        .sort((a, b) => (Number.isNaN(a.value) ? -1 : a.value) - (Number.isNaN(b.value) ? -1 : b.value))
        .slice(0, 8);
    const written = (value: number) => (inPercent(measure) ? percent(value) : figure(value, 4));
    const range = (low: number, high: number): [number, number] => [
        Math.min(low, 0) - (low < 0 ? 0.05 : 0),
        Math.max(1.05, high * 1.05),
    ];
    return (
        <section id="fidelity" aria-labelledby="fidelity-title">
            <h2 id="fidelity-title">Do the weights get their updates?</h2>
            <p class="lead">
                At sampled steps, the update that fp32 would make from the same weights and batch beside the one the
                recipe made: {measures.find((one) => one.id === measure)!.meaning}.
            </p>
            <div class="controls">
                <div class="segments" role="group" aria-label="Measure">
                    {measures.map((one) => (
                        <button
                            type="button"
                            aria-pressed={one.id === measure}
                            title={one.meaning}
                            onClick={() => setMeasure(one.id)}
                        >
                            {one.name}
                        </button>
                    ))}
                </div>
            </div>
            <Chart
                label="Update fidelity over the steps"
                steps={steps}
                lines={lines}
                height={220}
                range={range}
                axisValue={(value) => (inPercent(measure) ? `${Math.round(100 * value)} %` : figure(value, 3))}
                legendValue={written}
            />
            {recipes.some((one) => one.layers.some((layer) => layer.fidelity[measure] !== null)) && (
                <>
                    <h3>Layers that lose most</h3>
                    <Tabs label="Recipe" names={recipes.map((one) => one.name)} chosen={chosen} onChoose={onRecipe} />
                    {layers.length === 0 ? (
                        <p class="quiet">Not sampled for this recipe.</p>
                    ) : (
                        <table class="bars">
                            <caption class="visually-hidden">
                                {measures.find((one) => one.id === measure)!.meaning}, by layer, of {recipe.name}
                            </caption>
                            <tbody>
                                {layers.map(({ name, value }) => (
                                    <tr>
                                        <th scope="row">
                                            <bdi>{name}</bdi>
                                        </th>
                                        <td class="bar-cell">
                                            <i
                                                style={{
                                                    width: `${100 * Math.max(0, Math.min(1, Number.isNaN(value) ? 0 : value))}%`,
                                                }}
                                            />
                                        </td>
                                        <td class="number">{Number.isNaN(value) ? 'nan' : written(value)}</td>
                                    </tr>
                                ))}
                            </tbody>
                        </table>
                    )}
                </>
            )}
        </section>
    );
}
