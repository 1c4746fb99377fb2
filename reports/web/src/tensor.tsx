// What there is to know about the tensors of one layer: figures, histogram, largest magnitude over the steps.
import { type HeatModel, type TensorRow, planeOf, stepsOf } from './heat';
import { Histogram } from './histogram';
import { rangeOf } from './formats';
import { figure, integer, percent, powerOfTwo, toNumber, words } from './numbers';
import type { Layer, Num, Statistics } from './report';
import { useWidth } from './width';

const exponentText = (value: Num) => {
    const number = toNumber(value);
    return number > 0 && Number.isFinite(number)
        ? `${figure(number)} (≈ ${powerOfTwo(Math.floor(Math.log2(number)))})`
        : figure(number);
};

function Figures({ statistics }: { statistics: Statistics }) {
    const share = (value: Num) => percent(toNumber(value) / 100);
    const rows: [string, string, string][] = [
        [
            'underflows',
            share(statistics['underflows%_of_nonzero']),
            `of the non-zero values; ${share(statistics['underflows%'])} of all`,
        ],
        ...(statistics['lost%'] != null
            ? [['lost', share(statistics['lost%']), 'zero here, non-zero in the fp32 twin'] as [string, string, string]]
            : []),
        ['subnormals', share(statistics['subnormals%_of_nonzero']), 'of the non-zero values'],
        ['overflows', share(statistics['overflows%']), 'of all values'],
        ['inf, NaN', `${integer(statistics.num_inf)}, ${integer(statistics.num_nan)}`, 'values that arrived so'],
        ['amax', exponentText(statistics.amax), 'largest finite magnitude'],
        ['amin', exponentText(statistics.amin), 'smallest non-zero magnitude'],
        ['dynamic range', figure(toNumber(statistics.dynamic_range), 3), 'powers of two between them'],
        ['headroom', figure(toNumber(statistics.headroom_log2), 3), 'powers of two below the largest finite number'],
        ['mse', figure(toNumber(statistics.mse)), 'mean squared rounding error'],
    ];
    return (
        <dl class="figures">
            {rows.map(([name, value, note]) => (
                <div>
                    <dt>{name}</dt>
                    <dd>
                        {value} <span class="quiet">{note}</span>
                    </dd>
                </div>
            ))}
        </dl>
    );
}

/** Largest magnitude per column of steps, on a scale of powers of two, against the format's limit. */
function AmaxTrend({ model, tensor, column }: { model: HeatModel; tensor: TensorRow; column: number | null }) {
    const [figure, width] = useWidth<HTMLElement>(720);
    const columns = model.heat.columns.length;
    const values = Array.from(planeOf(tensor.row, 'amax', columns), (value) => (value > 0 ? Math.log2(value) : NaN));
    const known = values.filter((value) => Number.isFinite(value));
    if (known.length < 2) return <figure ref={figure} />;
    const limit = rangeOf(tensor.statistics.format)?.infinityFrom ?? 128;
    const top = Math.max(...known) > limit - 24 ? Math.max(limit, ...known) + 1 : Math.max(...known) + 2;
    const bottom = Math.min(...known) - 2;
    const height = 90;
    const x = (i: number) => 8 + (columns > 1 ? i / (columns - 1) : 0.5) * (width - 16);
    const y = (value: number) => 6 + ((top - value) / (top - bottom)) * (height - 12);
    let path = '',
        pen = 'M';
    values.forEach((value, i) => {
        if (!Number.isFinite(value)) {
            pen = 'M';
            return;
        }
        path += `${pen} ${x(i).toFixed(1)} ${y(value).toFixed(1)} `;
        pen = 'L';
    });
    return (
        <figure class="trend" ref={figure}>
            <svg
                width={width}
                height={height}
                viewBox={`0 0 ${width} ${height}`}
                role="img"
                aria-label={`Largest magnitude over the steps: from ${powerOfTwo(Math.round(known[0]!))} to ${powerOfTwo(Math.round(known[known.length - 1]!))}`}
            >
                {limit < top && (
                    <>
                        <line class="limit" x1="8" x2={width - 8} y1={y(limit)} y2={y(limit)} />
                        <text class="tick" x="12" y={y(limit) + 13}>
                            largest finite {tensor.statistics.format} number
                        </text>
                    </>
                )}
                {column !== null && <line class="cursor" x1={x(column)} x2={x(column)} y1="0" y2={height} />}
                <path class="trend-line" d={path} />
            </svg>
            <figcaption class="quiet">
                amax over the steps, {powerOfTwo(Math.round(Math.min(...known)))} to{' '}
                {powerOfTwo(Math.round(Math.max(...known)))}
            </figcaption>
        </figure>
    );
}

export function TensorPanel(props: {
    model: HeatModel;
    layer: number;
    column: number | null;
    chosen: string;
    onChoose: (tensor: string) => void;
    twin: Layer | undefined;
}) {
    const row = props.model.layers[props.layer]!;
    const tensor = row.tensors.find((one) => one.row.tensor === props.chosen) ?? row.tensors[0];
    if (!tensor) return <p class="quiet">No tensor of this layer was traced.</p>;
    const statistics = tensor.statistics;
    const twinGroup = props.twin?.tensors[tensor.role];
    const twin = (twinGroup?.members ?? (twinGroup ? [twinGroup] : [])).find((one) => one.name === statistics.name);
    const first = statistics.first_step;
    const begun = [
        first?.underflow != null && `first underflow at step ${first.underflow}`,
        first?.overflow != null && `first overflow at step ${first.overflow}`,
        first?.non_finite != null && `first inf or NaN at step ${first.non_finite}`,
    ]
        .filter(Boolean)
        .join(', ');
    return (
        <section class="tensor" id="tensor" aria-label={`Tensor ${tensor.row.tensor}`}>
            <header>
                <h3>
                    {row.layer.name} <span class="quiet">{row.layer.policy}</span>
                </h3>
                <div class="segments" role="group" aria-label="Tensor">
                    {row.tensors.map((one) => (
                        <button
                            type="button"
                            aria-pressed={one === tensor}
                            title={one.row.tensor}
                            onClick={() => props.onChoose(one.row.tensor)}
                        >
                            {row.tensors.filter((other) => other.role === one.role).length > 1
                                ? shortName(one.row.tensor, row.layer.name)
                                : words(one.role)}
                        </button>
                    ))}
                </div>
            </header>
            <p class="quiet">
                <code>{tensor.row.tensor}</code>, {words(tensor.role)} from {words(statistics.operation)}, stored in{' '}
                {statistics.format}
                {statistics.scaled ? ', carries the loss scale' : ''}
                {begun ? `; ${begun}` : ''}
                {props.column !== null ? `; the selected column is ${stepsOf(props.model.heat, props.column)}` : ''}
            </p>
            <div class="tensor-body">
                <div>
                    <Histogram statistics={statistics} twin={twin} scaled={statistics.scaled} />
                    <AmaxTrend model={props.model} tensor={tensor} column={props.column} />
                </div>
                <Figures statistics={statistics} />
            </div>
        </section>
    );
}

const shortName = (tensor: string, layer: string) =>
    tensor.startsWith(layer + '.') ? tensor.slice(layer.length + 1) : tensor;
