// Ranges of the storage formats, in powers of two; the figures of emulation/number/format.h.

export interface FormatRange {
    name: string;
    /** Values below 2^zeroBelow round to zero (half the smallest subnormal). */
    zeroBelow: number;
    /** From here values are normal: full precision. */
    normalFrom: number;
    /** Values from about 2^infinityFrom on overflow. */
    infinityFrom: number;
}

export const fp16: FormatRange = { name: 'fp16', zeroBelow: -25, normalFrom: -14, infinityFrom: 16 };
export const bf16: FormatRange = { name: 'bf16', zeroBelow: -134, normalFrom: -126, infinityFrom: 128 };
const others: FormatRange[] = [
    { name: 'fp32', zeroBelow: -150, normalFrom: -126, infinityFrom: 128 },
    { name: 'tf32', zeroBelow: -137, normalFrom: -126, infinityFrom: 128 },
    { name: 'fp8-e4m3', zeroBelow: -10, normalFrom: -6, infinityFrom: 9 },
    { name: 'fp8-e5m2', zeroBelow: -17, normalFrom: -14, infinityFrom: 16 },
];

export const rangeOf = (name: string) => [fp16, bf16, ...others].find((format) => format.name === name);

export type Fate = 'normal' | 'subnormal' | 'lost' | 'overflow';

/** What becomes of a value in [2^e, 2^(e+1)). The binade of the threshold itself is split; it counts by its majority. */
export function fateOf(exponent: number, format: FormatRange): Fate {
    if (exponent < format.zeroBelow) return 'lost';
    if (exponent < format.normalFrom) return 'subnormal';
    return exponent < format.infinityFrom ? 'normal' : 'overflow';
}
