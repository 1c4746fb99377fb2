// Layers down, steps across, colour for how much of a tensor is lost: drawn on a canvas, so that a thousand layers by
// a thousand steps stay quick; walked with the arrow keys; every cell in words in a live region.
import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { type HeatModel, type Metric, heatPosition, metrics, stepsOf, withRole, worstOf } from './heat';
import { percent, words } from './numbers';
import { type Palette, ThemeContext, paletteOf } from './theme';

export interface Cell {
    layer: number;
    column: number;
}

interface Props {
    model: HeatModel;
    metric: Metric;
    role: string;
    /** Indices of the layers to show, in order. */
    shown: number[];
    selected: Cell | null;
    onSelect: (cell: Cell) => void;
}

function mixed(palette: Palette): [number, number, number][] {
    const stops = palette.heat.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, i) => {
        const position = (i / 255) * (stops.length - 1);
        const from = Math.min(stops.length - 2, Math.floor(position));
        const [a, b] = [stops[from]!, stops[from + 1]!];
        return a.map((value, channel) => Math.round(value + (b[channel]! - value) * (position - from))) as [
            number,
            number,
            number,
        ];
    });
}

const rgb = (hex: string): [number, number, number] =>
    [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)) as [number, number, number];

/** Rows as tall as there is room for: names beside each where they fit. */
const rowHeightFor = (rows: number) => Math.max(4, Math.min(20, Math.floor(520 / Math.max(1, rows))));

/** One pixel a cell; the canvas scales it up without smoothing. */
function picture(values: Float32Array[], columns: number, palette: Palette): HTMLCanvasElement {
    const canvas = document.createElement('canvas');
    canvas.width = Math.max(1, columns);
    canvas.height = Math.max(1, values.length);
    const context = canvas.getContext('2d')!;
    const image = context.createImageData(canvas.width, canvas.height);
    const ramp = mixed(palette);
    const [nothing, missing] = [rgb(palette.nothing), rgb(palette.missing)];
    values.forEach((row, y) => {
        for (let x = 0; x < columns; ++x) {
            const share = row[x]!;
            const color = Number.isNaN(share)
                ? missing
                : share === 0
                  ? nothing
                  : ramp[Math.round(255 * heatPosition(share))]!;
            image.data.set([...color, 255], 4 * (y * columns + x));
        }
    });
    context.putImageData(image, 0, 0);
    return canvas;
}

function draw(
    canvas: HTMLCanvasElement,
    source: HTMLCanvasElement,
    rows: number,
    columns: number,
    rowHeight: number,
    palette: Palette,
    marked: { y: number; x: number } | null,
) {
    const ratio = devicePixelRatio || 1;
    const [across, height] = [canvas.clientWidth, rows * rowHeight];
    canvas.width = Math.round(across * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d')!;
    context.imageSmoothingEnabled = false;
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    context.scale(ratio, ratio);
    if (rowHeight >= 8) {
        context.fillStyle = palette.surface;
        for (let y = 1; y < rows; ++y) context.fillRect(0, y * rowHeight - 0.5, across, 1);
    }
    if (marked) {
        const cell = across / columns;
        // Dark within light, so that it shows on every colour.
        for (const [color, width] of [
            ['#ffffff', 5],
            ['#000000', 2],
        ] as const) {
            context.strokeStyle = color;
            context.lineWidth = width;
            context.strokeRect(marked.x * cell - 1, marked.y * rowHeight, Math.max(cell, 3) + 2, rowHeight);
        }
    }
}

export function HeatMap({ model, metric, role, shown, selected, onSelect }: Props) {
    const palette = paletteOf(useContext(ThemeContext));
    const canvas = useRef<HTMLCanvasElement>(null);
    const scroller = useRef<HTMLDivElement>(null);
    const [hover, setHover] = useState<Cell | null>(null);
    const [tip, setTip] = useState<{ x: number; y: number } | null>(null);
    const columns = model.heat.columns.length;
    const rowHeight = rowHeightFor(shown.length);

    const values = useMemo(
        () => shown.map((layer) => worstOf(withRole(model.layers[layer]!, role), metric, columns)),
        [model, metric, role, shown],
    );
    const source = useMemo(() => picture(values, columns, palette), [values, palette]);
    const selectedRow = selected ? shown.indexOf(selected.layer) : -1;

    useEffect(() => {
        const element = canvas.current!;
        const paint = () =>
            draw(
                element,
                source,
                shown.length,
                columns,
                rowHeight,
                palette,
                selectedRow >= 0 ? { y: selectedRow, x: selected!.column } : null,
            );
        paint();
        const resize = new ResizeObserver(paint);
        resize.observe(element);
        return () => resize.disconnect();
    }, [source, rowHeight, palette, selectedRow, selected?.column]);

    const cellAt = (event: MouseEvent): Cell | null => {
        const box = canvas.current!.getBoundingClientRect();
        const row = Math.floor((event.clientY - box.top) / rowHeight);
        const column = Math.floor(((event.clientX - box.left) / box.width) * columns);
        return row >= 0 && row < shown.length && column >= 0 && column < columns
            ? { layer: shown[row]!, column }
            : null;
    };
    const describe = (cell: Cell) => {
        const row = shown.indexOf(cell.layer);
        const share = values[row]?.[cell.column] ?? NaN;
        const how =
            metric === 'non_finite'
                ? share > 0
                    ? 'inf or NaN'
                    : Number.isNaN(share)
                      ? 'not traced'
                      : 'finite'
                : `${percent(share)} ${words(metric)}`;
        return `${model.layers[cell.layer]!.layer.name}, ${stepsOf(model.heat, cell.column)}: ${how}`;
    };
    const move = (event: KeyboardEvent) => {
        const step = event.shiftKey ? 10 : 1;
        const row = selectedRow >= 0 ? selectedRow : 0;
        const column = selected?.column ?? 0;
        const target: Record<string, [number, number]> = {
            ArrowUp: [row - step, column],
            ArrowDown: [row + step, column],
            ArrowLeft: [row, column - step],
            ArrowRight: [row, column + step],
            Home: [row, 0],
            End: [row, columns - 1],
            PageUp: [row - 10, column],
            PageDown: [row + 10, column],
        };
        const to = target[event.key];
        if (!to || shown.length === 0) return;
        event.preventDefault();
        const y = Math.max(0, Math.min(shown.length - 1, to[0]));
        onSelect({ layer: shown[y]!, column: Math.max(0, Math.min(columns - 1, to[1])) });
        const box = scroller.current!;
        const top = y * rowHeight;
        if (top < box.scrollTop) box.scrollTop = top;
        if (top + rowHeight > box.scrollTop + box.clientHeight) box.scrollTop = top + rowHeight - box.clientHeight;
    };

    const every = Math.max(1, Math.ceil(13 / rowHeight));
    const meaning = metrics.find((one) => one.id === metric)!;
    return (
        <div class="heatmap">
            <div class="heat-scroll" ref={scroller}>
                <div class="heat-names" aria-hidden="true" style={{ height: `${shown.length * rowHeight}px` }}>
                    {shown.map(
                        (layer, row) =>
                            row % every === 0 && (
                                <span
                                    title={model.layers[layer]!.layer.name}
                                    style={{
                                        top: `${row * rowHeight}px`,
                                        height: `${rowHeight * every}px`,
                                        lineHeight: `${Math.max(13, rowHeight)}px`,
                                    }}
                                    class={selectedRow >= row && selectedRow < row + every ? 'selected' : ''}
                                >
                                    <bdi>{model.layers[layer]!.layer.name}</bdi>
                                </span>
                            ),
                    )}
                </div>
                <canvas
                    ref={canvas}
                    id="heat"
                    tabIndex={0}
                    role="application"
                    style={{ height: `${shown.length * rowHeight}px` }}
                    aria-roledescription="heat map"
                    aria-describedby="heat-cell"
                    aria-label={`${meaning.name}: ${meaning.meaning}, ${shown.length} layers by ${columns} columns of steps. Arrow keys move between cells.`}
                    onKeyDown={move}
                    onMouseMove={(event) => {
                        setHover(cellAt(event));
                        setTip({ x: event.clientX, y: event.clientY });
                    }}
                    onMouseLeave={() => setHover(null)}
                    onClick={(event) => {
                        const cell = cellAt(event);
                        if (cell) onSelect(cell);
                    }}
                />
            </div>
            <div class="heat-steps" aria-hidden="true">
                <span>step {model.heat.columns[0]}</span>
                <span>{model.heat.columns[Math.floor(columns / 2)]}</span>
                <span>{model.heat.last}</span>
            </div>
            {hover && tip && (
                <div
                    class="tip"
                    style={
                        tip.x > innerWidth / 2
                            ? { right: `${innerWidth - tip.x + 14}px`, top: `${tip.y + 14}px` }
                            : { left: `${tip.x + 14}px`, top: `${tip.y + 14}px` }
                    }
                    aria-hidden="true"
                >
                    {describe(hover)}
                </div>
            )}
            <p id="heat-cell" class="visually-hidden" aria-live="polite">
                {selected && selectedRow >= 0 ? describe(selected) : ''}
            </p>
        </div>
    );
}

const legendTicks: [number, string][] = [
    [0.0001, '0.01'],
    [0.01, '1'],
    [0.1, '10'],
    [0.5, '50'],
    [1, '100 %'],
];

export function HeatLegend({ metric }: { metric: Metric }) {
    const palette = paletteOf(useContext(ThemeContext));
    if (metric === 'non_finite')
        return (
            <p class="heat-legend">
                <i style={{ background: palette.nothing }} />
                finite
                <i style={{ background: palette.heat[palette.heat.length - 1] }} />
                holds inf or NaN
            </p>
        );
    return (
        <p class="heat-legend">
            <i style={{ background: palette.nothing }} />
            none
            <span class="ramp">
                <b style={{ background: `linear-gradient(to right, ${palette.heat.join(', ')})` }} />
                <span class="ticks">
                    {legendTicks.map(([share, text]) => (
                        <span style={{ left: `${100 * heatPosition(share)}%` }}>{text}</span>
                    ))}
                </span>
            </span>
        </p>
    );
}
