// "Where range is lost": the heat map with its choices, the tensors that lose most, and one tensor in detail.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { type Metric, metrics, modelOf, overall, planeOf, withRole, worstOf } from './heat';
import { type Cell, HeatLegend, HeatMap } from './heatmap';
import { percent, plural, words } from './numbers';
import type { Heat, Recipe, Reference } from './report';
import { TensorPanel } from './tensor';
import { Tabs } from './tabs';

export interface Wanted {
    layer: string;
    tensor: string;
    step: number | null;
    /** Counts up, so that the same finding can be asked for twice. */
    request: number;
}

/** The metric that shows most: what is broken before what is lost before what is merely short of bits. */
function firstMetric(recipe: Recipe): Metric {
    const any = (metric: Metric, above: number) =>
        recipe.layers.some((layer) => Object.values(layer.tensors).some((one) => overall(one, metric) > above));
    if (any('underflow', 0.001)) return 'underflow';
    if (any('overflow', 0)) return 'overflow';
    return any('subnormal', 0.001) ? 'subnormal' : 'underflow';
}

export function RangeSection(props: {
    recipes: Recipe[];
    heats: Heat[];
    reference: Reference;
    chosen: number;
    onRecipe: (index: number) => void;
    wanted: Wanted | null;
}) {
    const recipe = props.recipes[props.chosen]!;
    const heat = props.heats[props.chosen]!;
    const model = useMemo(() => modelOf(recipe, heat), [recipe, heat]);
    const [metric, setMetric] = useState<Metric>(() => firstMetric(recipe));
    const [role, setRole] = useState('all');
    const [search, setSearch] = useState('');
    const [cell, setCell] = useState<Cell | null>(null);
    const [tensor, setTensor] = useState('');
    const columns = heat.columns.length;

    const shown = useMemo(() => {
        const wanted = search.trim().toLowerCase();
        return model.layers.flatMap((row, index) =>
            withRole(row, role).length > 0 && row.layer.name.toLowerCase().includes(wanted) ? [index] : [],
        );
    }, [model, role, search]);

    const worst = useMemo(
        () =>
            model.layers
                .flatMap((row, layer) =>
                    withRole(row, role).map((one) => ({ layer, one, share: overall(one.statistics, metric) })),
                )
                .filter((entry) => entry.share > 0)
                .sort((a, b) => b.share - a.share)
                .slice(0, 8),
        [model, metric, role],
    );

    /** The tensor that is worst in the cell. */
    const select = (next: Cell) => {
        setCell(next);
        const candidates = withRole(model.layers[next.layer]!, role);
        let best = candidates[0];
        for (const one of candidates)
            if (
                (planeOf(one.row, metric, columns)[next.column] ?? 0) >
                (best ? (planeOf(best.row, metric, columns)[next.column] ?? 0) : -1)
            )
                best = one;
        setTensor(best?.row.tensor ?? '');
    };
    const show = (layer: number, name: string, step: number | null) => {
        const values = worstOf(
            model.layers[layer]!.tensors.filter((one) => one.row.tensor === name),
            metric,
            columns,
        );
        let column = values.reduce(
            (top, value, i) => (value > (values[top] ?? -1) || Number.isNaN(values[top]!) ? i : top),
            0,
        );
        if (step !== null) column = Math.max(0, heat.columns.filter((first) => first <= step).length - 1);
        setCell({ layer, column });
        setTensor(name);
    };

    useEffect(() => {
        setMetric(firstMetric(recipe));
        setRole('all');
        setCell(null);
        setTensor('');
    }, [recipe]);
    useEffect(() => {
        const wanted = props.wanted;
        if (!wanted) return;
        const layer = model.layers.findIndex((row) => row.layer.name === wanted.layer);
        if (layer < 0) return;
        const named =
            model.layers[layer]!.tensors.find((one) => one.row.tensor === wanted.tensor) ??
            model.layers[layer]!.tensors[0];
        setSearch('');
        setRole('all');
        show(layer, named?.row.tensor ?? '', wanted.step);
    }, [props.wanted, model]);

    const meaning = metrics.find((one) => one.id === metric)!.meaning;
    const focus = cell ?? (worst[0] ? { layer: worst[0].layer, column: 0 } : null);
    const focusTensor = cell ? tensor : (worst[0]?.one.row.tensor ?? '');
    return (
        <section id="range" aria-labelledby="range-title">
            <h2 id="range-title">Where range is lost</h2>
            <p class="lead">
                Each row is a layer, from input to output; each column a step. Colour is the share of {meaning}, the
                worst tensor of the layer. Choose a cell to see its tensor.
            </p>
            <Tabs
                label="Recipe"
                names={props.recipes.map((one) => one.name)}
                chosen={props.chosen}
                onChoose={props.onRecipe}
            />
            <div class="controls">
                <div class="segments" role="group" aria-label="What is shown">
                    {metrics.map((one) => (
                        <button
                            type="button"
                            title={one.meaning}
                            aria-pressed={metric === one.id}
                            onClick={() => setMetric(one.id)}
                        >
                            {one.name}
                        </button>
                    ))}
                </div>
                <label>
                    Tensors{' '}
                    <select value={role} onChange={(event) => setRole((event.target as HTMLSelectElement).value)}>
                        <option value="all">all, the worst</option>
                        {model.roles.map((one) => (
                            <option value={one}>{words(one)}</option>
                        ))}
                    </select>
                </label>
                <label>
                    Layer{' '}
                    <input
                        type="search"
                        placeholder="part of a name"
                        value={search}
                        onInput={(event) => setSearch((event.target as HTMLInputElement).value)}
                    />
                </label>
                <HeatLegend metric={metric} />
            </div>
            {columns === 0 || model.layers.length === 0 ? (
                <p class="quiet">This run has no traced tensors.</p>
            ) : shown.length === 0 ? (
                <p class="quiet">No layer matches.</p>
            ) : (
                <HeatMap model={model} metric={metric} role={role} shown={shown} selected={cell} onSelect={select} />
            )}
            <div class="below-heat">
                <div class="worst">
                    <h3>Hit hardest</h3>
                    {worst.length === 0 ? (
                        <p class="quiet">No tensor has any: {meaning}.</p>
                    ) : (
                        <table>
                            <caption class="visually-hidden">
                                Tensors with the largest share of {meaning}, over all steps of {recipe.name}
                            </caption>
                            <thead>
                                <tr>
                                    <th scope="col">tensor</th>
                                    <th scope="col">share</th>
                                </tr>
                            </thead>
                            <tbody>
                                {worst.map(({ layer, one, share }) => (
                                    <tr class={one.row.tensor === focusTensor ? 'selected' : ''}>
                                        <td>
                                            <button type="button" onClick={() => show(layer, one.row.tensor, null)}>
                                                <bdi>{model.layers[layer]!.layer.name}</bdi>
                                                <span class="quiet">{words(one.role)}</span>
                                            </button>
                                        </td>
                                        <td class="number">{percent(share)}</td>
                                    </tr>
                                ))}
                            </tbody>
                        </table>
                    )}
                    <p class="quiet">
                        {plural(model.layers.length, 'layer')},{' '}
                        {columns > 0
                            ? `steps ${heat.columns[0]} to ${heat.last}${columns < heat.last + 1 - heat.columns[0]! ? `, ${plural(columns, 'column')}` : ''}`
                            : 'no steps'}
                    </p>
                </div>
                {focus && (
                    <TensorPanel
                        model={model}
                        layer={focus.layer}
                        column={cell ? cell.column : null}
                        chosen={focusTensor}
                        onChoose={(name) => {
                            setTensor(name);
                            setCell(cell ?? focus);
                        }}
                        twin={props.reference.layers.find(
                            (layer) => layer.name === model.layers[focus.layer]!.layer.name,
                        )}
                    />
                )}
            </div>
        </section>
    );
}
