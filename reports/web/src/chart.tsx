// A line chart over training steps: uPlot, a legend of toggles that shows the values under the cursor, and marks.
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dashes, usePalette } from './theme';

export interface Line {
    name: string;
    color: string;
    dash: number[];
    width?: number;
    /** One per step; what is not finite is a gap. */
    values: (number | null)[];
    stepped?: boolean;
    /** Steps at which ticks are drawn along the lower edge (skipped steps). */
    ticks?: number[];
    /** First step whose value is inf or NaN, and its name. */
    breaks?: { step: number; name: string } | undefined;
    dots?: boolean;
}

export interface Band {
    name: string;
    low: (number | null)[];
    high: (number | null)[];
    fill?: string;
    /** The line it belongs to, with which it is shown and hidden; otherwise the legend has an entry for it. */
    of?: string;
}

const noBands: Band[] = [];

interface Props {
    label: string;
    steps: number[];
    lines: Line[];
    /** The same array as long as nothing in it changes. */
    bands?: Band[] | undefined;
    log?: 10 | 2 | undefined;
    height?: number;
    range?: ((low: number, high: number) => [number, number]) | undefined;
    axisValue: (value: number) => string;
    legendValue: (value: number) => string;
    /** Horizontal lines: [value, label]. */
    levels?: [number, string][];
    shade?: { low: number; high: number } | undefined;
}

/** A line as the legend shows it. */
export const swatch = (line: { color: string; dash: number[]; width?: number }) => (
    <svg class="swatch" width="26" height="10" aria-hidden="true">
        <line
            x1="1"
            y1="5"
            x2="25"
            y2="5"
            stroke={line.color}
            stroke-width={line.width ?? 2}
            stroke-dasharray={line.dash.join(' ')}
        />
    </svg>
);

export const styleOf = (series: string[], index: number) => ({
    color: series[index % series.length]!,
    dash: dashes[index % dashes.length]!,
});

function drawMarks(plot: uPlot, lines: Line[], hidden: Set<string>, surface: string) {
    const { ctx, bbox } = plot;
    ctx.save();
    const ratio = devicePixelRatio || 1;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.textAlign = 'left';
    let shown = 0;
    for (const line of lines) {
        if (hidden.has(line.name)) continue;
        ctx.strokeStyle = ctx.fillStyle = line.color;
        ctx.lineWidth = 1.5 * ratio;
        for (const step of line.ticks ?? []) {
            const x = Math.round(plot.valToPos(step, 'x', true));
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.beginPath();
            ctx.moveTo(x, bbox.top + bbox.height);
            ctx.lineTo(x, bbox.top + bbox.height - 9 * ratio);
            ctx.stroke();
        }
        if (line.breaks) {
            const x = plot.valToPos(line.breaks.step, 'x', true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            ctx.setLineDash([3 * ratio, 3 * ratio]);
            ctx.beginPath();
            ctx.moveTo(x, bbox.top);
            ctx.lineTo(x, bbox.top + bbox.height);
            ctx.stroke();
            ctx.setLineDash([]);
            const text = `× ${line.name}: ${line.breaks.name} from step ${line.breaks.step}`;
            const width = ctx.measureText(text).width;
            const right = x + width + 8 * ratio > bbox.left + bbox.width;
            const left = right ? x - width - 5 * ratio : x + 5 * ratio;
            const baseline = bbox.top + (14 + 16 * shown++) * ratio;
            ctx.fillStyle = surface;
            ctx.fillRect(left - 2 * ratio, baseline - 11 * ratio, width + 4 * ratio, 15 * ratio);
            ctx.fillStyle = line.color;
            ctx.fillText(text, left, baseline);
        }
    }
    ctx.restore();
}

function drawLevels(plot: uPlot, levels: [number, string][], shade: Props['shade'], color: string, fill: string) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio || 1;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    if (shade) {
        const top = plot.valToPos(shade.high, 'y', true);
        ctx.fillStyle = fill;
        ctx.fillRect(bbox.left, top, bbox.width, plot.valToPos(shade.low, 'y', true) - top);
    }
    ctx.textAlign = 'left';
    ctx.strokeStyle = ctx.fillStyle = color;
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    ctx.lineWidth = ratio;
    ctx.setLineDash([4 * ratio, 4 * ratio]);
    for (const [value, label] of levels) {
        const y = plot.valToPos(value, 'y', true);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        ctx.fillText(label, bbox.left + bbox.width - ctx.measureText(label).width - 4 * ratio, y - 4 * ratio);
    }
    ctx.restore();
}

export function Chart(props: Props) {
    const { label, steps, lines, bands = noBands, log, height = 280 } = props;
    const palette = usePalette();
    const holder = useRef<HTMLDivElement>(null);
    const [hidden, setHidden] = useState<Set<string>>(new Set());
    const [cursor, setCursor] = useState<number | null>(null);

    const data = useMemo<uPlot.AlignedData>(() => {
        // Bands first, so that lines are drawn over them.
        const columns: (number | null)[][] = bands.flatMap((band) => [band.high, band.low]);
        columns.push(...lines.map((line) => line.values));
        return [steps, ...columns] as uPlot.AlignedData;
    }, [steps, lines, bands]);

    useEffect(() => {
        const box = holder.current!;
        const grid = { stroke: palette.grid, width: 1 };
        const axis = { stroke: palette.faint, grid, ticks: grid, font: '12px system-ui, sans-serif' };
        const drawn: uPlot.Series[] = lines.map((line) => ({
            label: line.name,
            stroke: line.color,
            width: line.width ?? 2,
            dash: line.dash,
            show: !hidden.has(line.name),
            points: { show: line.dots ?? false, size: 5, fill: palette.surface },
            spanGaps: line.dots ?? false,
            ...(line.stepped ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
        }));
        const shades: uPlot.Series[] = [];
        for (const band of bands)
            for (let i = 0; i < 2; ++i)
                shades.push({
                    label: band.name,
                    stroke: 'transparent',
                    width: 0,
                    points: { show: false },
                    show: !hidden.has(band.of ?? band.name),
                });
        const options: uPlot.Options = {
            width: box.clientWidth,
            height,
            legend: { show: false },
            cursor: { sync: { key: 'steps' }, points: { size: 7 }, drag: { x: true, y: false } },
            scales: {
                x: { time: false },
                y: {
                    ...(log ? { distr: 3, log } : {}),
                    ...(props.range
                        ? {
                              range: (_: uPlot, low: number | null, high: number | null): [number, number] =>
                                  low === null || high === null ? [1, 2] : props.range!(low, high),
                          }
                        : {}),
                },
            },
            axes: [
                { ...axis, label: 'step', labelSize: 18, labelFont: '12px system-ui, sans-serif', size: 34 },
                { ...axis, size: 58, values: (_, ticks) => ticks.map((v) => (v === null ? '' : props.axisValue(v))) },
            ],
            series: [{}, ...shades, ...drawn],
            bands: bands.map((band, index) => ({
                series: [1 + 2 * index, 2 + 2 * index],
                fill: band.fill ?? palette.band,
            })),
            hooks: {
                drawClear: [(plot) => drawLevels(plot, props.levels ?? [], props.shade, palette.faint, palette.band)],
                draw: [(plot) => drawMarks(plot, lines, hidden, palette.surface)],
                setCursor: [(plot) => setCursor(plot.cursor.idx ?? null)],
            },
        };
        const plot = new uPlot(options, data, box);
        let frame = 0;
        const resize = new ResizeObserver(() => {
            cancelAnimationFrame(frame);
            frame = requestAnimationFrame(() => plot.setSize({ width: box.clientWidth, height }));
        });
        resize.observe(box);
        return () => {
            resize.disconnect();
            cancelAnimationFrame(frame);
            plot.destroy();
        };
    }, [data, log, palette, hidden, height, props.shade?.low, props.shade?.high]);

    const toggle = (name: string) => {
        const next = new Set(hidden);
        if (!next.delete(name)) next.add(name);
        setHidden(next);
    };
    const at = (values: (number | null)[]) => {
        const value = cursor === null ? null : values[cursor];
        return value === null || value === undefined ? '' : props.legendValue(value);
    };
    return (
        <figure class="chart" aria-label={label}>
            <div ref={holder} class="plot" />
            <figcaption class="legend">
                {lines.map((line) => (
                    <button type="button" aria-pressed={!hidden.has(line.name)} onClick={() => toggle(line.name)}>
                        {swatch(line)}
                        {line.name}
                        <span class="value">{at(line.values)}</span>
                    </button>
                ))}
                {bands
                    .filter((band) => band.of === undefined)
                    .map((band) => (
                        <button type="button" aria-pressed={!hidden.has(band.name)} onClick={() => toggle(band.name)}>
                            <span class="band-swatch" />
                            {band.name}
                        </button>
                    ))}
                <span class="step">
                    {cursor !== null && steps[cursor] !== undefined ? `step ${steps[cursor]}` : ''}
                </span>
            </figcaption>
        </figure>
    );
}
