// Ranges of the storage formats, in powers of two; the figures of emulation/number/format.h.

export interface FormatRange {
    name: string;
    /** Values below 2^zeroBelow round to zero (half the smallest subnormal). */
    zeroBelow: number;
    /** From here values are normal: full precision. */
    normalFrom: number;
    /** Values from about 2^infinityFrom on overflow. */
    infinityFrom: number;
    /** The exact limit: the smallest magnitude that rounds to infinity (or to NaN, where there is no infinity). */
    overflowFrom: number;
}

export const fp16: FormatRange = { name: 'fp16', zeroBelow: -25, normalFrom: -14, infinityFrom: 16, overflowFrom: 65520 };
export const bf16: FormatRange = {
    name: 'bf16',
    zeroBelow: -134,
    normalFrom: -126,
    infinityFrom: 128,
    overflowFrom: (2 - 2 ** -8) * 2 ** 127,
};
const others: FormatRange[] = [
    { name: 'fp32', zeroBelow: -150, normalFrom: -126, infinityFrom: 128, overflowFrom: (2 - 2 ** -24) * 2 ** 127 },
    { name: 'tf32', zeroBelow: -137, normalFrom: -126, infinityFrom: 128, overflowFrom: (2 - 2 ** -11) * 2 ** 127 },
    { name: 'fp8-e4m3', zeroBelow: -10, normalFrom: -6, infinityFrom: 9, overflowFrom: 464 },
    { name: 'fp8-e5m2', zeroBelow: -17, normalFrom: -14, infinityFrom: 16, overflowFrom: 61440 },
];
/** Those in which fewer bits than fp32's are stored. */
export const storageFormats = [fp16, bf16, ...others.filter((format) => format.name.startsWith('fp8'))];

export const rangeOf = (name: string) => [fp16, bf16, ...others].find((format) => format.name === name);

export type Fate = 'normal' | 'subnormal' | 'lost' | 'overflow';

/** What becomes of a value in [2^e, 2^(e+1)). The binade of the threshold itself is split; it counts by its majority. */
export function fateOf(exponent: number, format: FormatRange): Fate {
    if (exponent < format.zeroBelow) return 'lost';
    if (exponent < format.normalFrom) return 'subnormal';
    return exponent < format.infinityFrom ? 'normal' : 'overflow';
}
