// The magnitudes of a tensor by powers of two, against what fp16 and bf16 can hold.
import { type Fate, bf16, fateOf, fp16, rangeOf, type FormatRange } from './formats';
import { integer, percent, powerOfTwo } from './numbers';
import type { Exponents, Statistics } from './report';
import { useWidth } from './width';

const plotHeight = 170;
const railHeight = 20;
const left = 8;
const fates: Record<Fate, string> = {
    normal: 'full precision',
    subnormal: 'subnormal: fewer bits',
    lost: 'becomes zero',
    overflow: 'becomes infinite',
};

interface Scale {
    low: number;
    high: number;
    width: number;
    x: (exponent: number) => number;
}

function scaleFor(exponents: Exponents[], width: number): Scale {
    let [low, high] = [fp16.zeroBelow - 3, fp16.infinityFrom + 3];
    for (const one of exponents)
        if (one.counts.length > 0) {
            low = Math.min(low, one.lowest - 1);
            high = Math.max(high, one.lowest + one.counts.length + 1);
        }
    return { low, high, width, x: (exponent) => left + ((exponent - low) / (high - low)) * (width - 2 * left) };
}

function Rail({ format, scale, y, stored }: { format: FormatRange; scale: Scale; y: number; stored: boolean }) {
    const at = (exponent: number) => scale.x(Math.max(scale.low, Math.min(scale.high, exponent)));
    const [zero, normal, infinity] = [at(format.zeroBelow), at(format.normalFrom), at(format.infinityFrom)];
    return (
        <g class={stored ? 'rail stored' : 'rail'}>
            {normal > zero && (
                <rect
                    x={zero}
                    y={y}
                    width={normal - zero}
                    height={railHeight - 6}
                    class="subnormal"
                    fill="url(#hatch)"
                />
            )}
            <rect x={normal} y={y} width={Math.max(0, infinity - normal)} height={railHeight - 6} class="normal" />
            <text x={(Math.max(normal, left) + infinity) / 2} y={y + 10.5} text-anchor="middle">
                {format.name}
                {stored ? ', as stored' : ''}
            </text>
            {normal - zero > 64 && (
                <text x={(zero + normal) / 2} y={y + 10.5} text-anchor="middle" class="on-hatch">
                    subnormal
                </text>
            )}
            {zero - left > 40 && (
                <text x={zero - 4} y={y + 10.5} text-anchor="end" class="outside">
                    → 0
                </text>
            )}
            {scale.width - left - infinity > 30 && (
                <text x={infinity + 4} y={y + 10.5} class="outside">
                    → inf
                </text>
            )}
        </g>
    );
}

/** Outline of the twin's histogram: shares of its own values. */
function outline(twin: Exponents, total: number, scale: Scale, y: (share: number) => number): string {
    let path = `M ${scale.x(twin.lowest)} ${y(0)}`;
    twin.counts.forEach((count, i) => {
        path += ` L ${scale.x(twin.lowest + i)} ${y(count / total)} L ${scale.x(twin.lowest + i + 1)} ${y(count / total)}`;
    });
    return path + ` L ${scale.x(twin.lowest + twin.counts.length)} ${y(0)}`;
}

const totalOf = (exponents: Exponents) => exponents.counts.reduce((sum, count) => sum + count, 0);

export function Histogram({
    statistics,
    twin,
    scaled,
}: {
    statistics: Statistics;
    twin: Statistics | undefined;
    scaled: boolean;
}) {
    const total = totalOf(statistics.exponents);
    if (total === 0)
        return <p class="quiet">All values of this tensor are zero or not finite: there is nothing to draw.</p>;
    return <Drawing statistics={statistics} total={total} twin={twin} scaled={scaled} />;
}

function Drawing({
    statistics,
    total,
    twin,
    scaled,
}: {
    statistics: Statistics;
    total: number;
    twin: Statistics | undefined;
    scaled: boolean;
}) {
    const [figure, width] = useWidth<HTMLElement>(720);
    const { exponents, format } = statistics;
    const stored = rangeOf(format);
    const twinTotal = twin ? totalOf(twin.exponents) : 0;
    const scale = scaleFor(twin && twinTotal > 0 ? [exponents, twin.exponents] : [exponents], width);
    const highest = Math.max(
        ...exponents.counts.map((count) => count / total),
        ...(twinTotal > 0 ? twin!.exponents.counts.map((count) => count / twinTotal) : []),
    );
    const y = (share: number) => plotHeight - (share / highest) * (plotHeight - 14);
    const counts: Record<Fate, number> = { normal: 0, subnormal: 0, lost: 0, overflow: 0 };
    if (stored)
        exponents.counts.forEach((count, i) => {
            counts[fateOf(exponents.lowest + i, stored)] += count;
        });
    const every = [2, 4, 8, 16, 32].find((step) => ((width - 2 * left) / (scale.high - scale.low)) * step > 34) ?? 64;
    const ticks: number[] = [];
    for (let e = Math.ceil(scale.low / every) * every; e <= scale.high; e += every) ticks.push(e);
    const rails = [...(stored && stored.name !== 'fp16' && stored.name !== 'bf16' ? [stored] : []), fp16, bf16];
    const bottom = plotHeight + 20;
    const spoken = stored
        ? (Object.keys(fates) as Fate[])
              .filter((fate) => counts[fate] > 0)
              .map((fate) => `${percent(counts[fate] / total)} ${fates[fate]}`)
              .join(', ')
        : '';
    return (
        <figure class="histogram" ref={figure}>
            <svg
                width={width}
                height={bottom + rails.length * railHeight}
                viewBox={`0 0 ${width} ${bottom + rails.length * railHeight}`}
                role="img"
                aria-label={`Histogram of magnitudes by powers of two, as stored in ${format}: ${spoken}`}
            >
                <defs>
                    <pattern
                        id="hatch"
                        width="5"
                        height="5"
                        patternUnits="userSpaceOnUse"
                        patternTransform="rotate(45)"
                    >
                        <rect width="5" height="5" class="hatch-ground" />
                        <line x1="0" y1="0" x2="0" y2="5" class="hatch-line" />
                    </pattern>
                </defs>
                {stored &&
                    [
                        ['zeroBelow', stored.zeroBelow],
                        ['normalFrom', stored.normalFrom],
                        ['infinityFrom', stored.infinityFrom],
                    ].map(
                        ([key, at]) =>
                            (at as number) > scale.low &&
                            (at as number) < scale.high && (
                                <line
                                    key={key}
                                    class="limit"
                                    x1={scale.x(at as number)}
                                    x2={scale.x(at as number)}
                                    y1="4"
                                    y2={plotHeight}
                                />
                            ),
                    )}
                {exponents.counts.map(
                    (count, i) =>
                        count > 0 && (
                            <rect
                                key={i}
                                class={`bar ${stored ? fateOf(exponents.lowest + i, stored) : 'normal'}`}
                                x={scale.x(exponents.lowest + i) + 0.5}
                                width={Math.max(1, scale.x(1) - scale.x(0) - 1)}
                                y={Math.min(y(count / total), plotHeight - 1)}
                                height={Math.max(1, plotHeight - y(count / total))}
                            >
                                <title>{`${powerOfTwo(exponents.lowest + i)} to ${powerOfTwo(exponents.lowest + i + 1)}: ${integer(count)} values, ${percent(count / total)}`}</title>
                            </rect>
                        ),
                )}
                {twin && twinTotal > 0 && <path class="twin" d={outline(twin.exponents, twinTotal, scale, y)} />}
                <line class="axis" x1={left} x2={width - left} y1={plotHeight} y2={plotHeight} />
                {ticks.map((e) => (
                    <text class="tick" x={scale.x(e)} y={plotHeight + 14} text-anchor="middle">
                        {powerOfTwo(e)}
                    </text>
                ))}
                {rails.map((rail, i) => (
                    <Rail format={rail} scale={scale} y={bottom + i * railHeight} stored={rail.name === format} />
                ))}
            </svg>
            <figcaption>
                {stored &&
                    (Object.keys(fates) as Fate[])
                        .filter((fate) => counts[fate] > 0)
                        .map((fate) => (
                            <span>
                                <i class={`key ${fate}`} />
                                {fates[fate]} {percent(counts[fate] / total)}
                            </span>
                        ))}
                {twin && twinTotal > 0 && (
                    <span>
                        <i class="key twin" />
                        fp32 twin{scaled ? ', without the loss scale' : ''}
                    </span>
                )}
                <span class="quiet">of {integer(total)} finite non-zero values, all traced steps</span>
            </figcaption>
        </figure>
    );
}
