// From a run's encoded planes to the rows of a heat map.
import { decodeMagnitudes, decodeShares } from './planes';
import type { Heat, HeatRow, Layer, Recipe, Statistics } from './report';

export type Metric = 'underflow' | 'overflow' | 'subnormal' | 'non_finite';
export const metrics: { id: Metric; name: string; meaning: string }[] = [
    { id: 'underflow', name: 'Underflow', meaning: 'non-zero values that became zero' },
    { id: 'overflow', name: 'Overflow', meaning: 'finite values that became infinite' },
    { id: 'subnormal', name: 'Subnormal', meaning: 'non-zero values stored with fewer bits' },
    { id: 'non_finite', name: 'Inf / NaN', meaning: 'steps in which the tensor holds inf or NaN' },
];

export interface TensorRow {
    row: HeatRow;
    role: string;
    statistics: Statistics;
}

/** One layer's tensors, in the order of the report. */
export interface LayerRow {
    layer: Layer;
    tensors: TensorRow[];
}

export interface HeatModel {
    heat: Heat;
    layers: LayerRow[];
    roles: string[];
}

export function modelOf(recipe: Recipe, heat: Heat): HeatModel {
    const rows = new Map(heat.rows.map((row) => [row.tensor, row]));
    const roles: string[] = [];
    const layers = recipe.layers.map((layer) => {
        const tensors: TensorRow[] = [];
        for (const [role, statistics] of Object.entries(layer.tensors)) {
            if (!roles.includes(role)) roles.push(role);
            for (const one of statistics.members ?? [statistics]) {
                const row = rows.get(one.name ?? '');
                if (row) tensors.push({ row, role, statistics: one });
            }
        }
        return { layer, tensors };
    });
    return { heat, layers, roles };
}

const decoded = new WeakMap<HeatRow, Map<string, Float32Array>>();

export function planeOf(row: HeatRow, plane: Metric | 'amax', columns: number): Float32Array {
    let planes = decoded.get(row);
    if (!planes) decoded.set(row, (planes = new Map()));
    let values = planes.get(plane);
    if (!values) {
        values = plane === 'amax' ? decodeMagnitudes(row.amax, columns) : decodeShares(row[plane], columns);
        if (plane !== 'amax' && row[plane] === undefined) {
            // Left out means zero wherever the tensor was traced.
            const traced = planeOf(row, 'amax', columns);
            values = values.map((value, column) => (Number.isNaN(traced[column]!) ? NaN : value));
        }
        planes.set(plane, values);
    }
    return values;
}

/** The worst of several tensors in each column. */
export function worstOf(tensors: TensorRow[], metric: Metric, columns: number): Float32Array {
    const worst = new Float32Array(columns).fill(NaN);
    for (const tensor of tensors) {
        const values = planeOf(tensor.row, metric, columns);
        for (let i = 0; i < columns; ++i)
            if (!(worst[i]! >= values[i]!)) worst[i] = Number.isNaN(values[i]!) ? worst[i]! : values[i]!;
    }
    return worst;
}

export const withRole = (row: LayerRow, role: string) =>
    role === 'all' ? row.tensors : row.tensors.filter((tensor) => tensor.role === role);

/** The metric over all steps. */
export function overall(statistics: Statistics, metric: Metric): number {
    const share = (value: unknown) => (typeof value === 'number' ? value / 100 : NaN);
    switch (metric) {
        case 'underflow':
            return share(statistics['underflows%_of_nonzero']);
        case 'overflow':
            return share(statistics['overflows%']);
        case 'subnormal':
            return share(statistics['subnormals%_of_nonzero']);
        case 'non_finite':
            return statistics.count > 0
                ? (statistics.num_inf + statistics.num_nan + statistics.overflows) / statistics.count
                : 0;
    }
}

/** The step or steps a column stands for. */
export function stepsOf(heat: Heat, column: number): string {
    const first = heat.columns[column]!;
    const next = column + 1 < heat.columns.length ? heat.columns[column + 1]! - 1 : heat.last;
    return next > first && heat.columns.length > 1 && gathered(heat) ? `steps ${first} to ${next}` : `step ${first}`;
}

const gathered = (heat: Heat) => heat.columns[heat.columns.length - 1]! < heat.last;

/** Where a share stands between none and all: its fourth root, which shows 0.01 % and still tells 10 % from 50 %. */
export const heatPosition = (share: number) => Math.min(1, Math.max(0, share)) ** 0.25;
