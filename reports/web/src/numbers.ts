// Numbers as people read them.
import type { Num } from './report';

export function toNumber(value: Num | null | undefined): number {
    if (value === 'inf') return Infinity;
    if (value === '-inf') return -Infinity;
    return typeof value === 'number' ? value : NaN;
}

const superscripts: Record<string, string> = {
    '-': '⁻',
    '0': '⁰',
    '1': '¹',
    '2': '²',
    '3': '³',
    '4': '⁴',
    '5': '⁵',
    '6': '⁶',
    '7': '⁷',
    '8': '⁸',
    '9': '⁹',
};

/** 2¹⁶ */
export const powerOfTwo = (exponent: number) => '2' + [...String(exponent)].map((c) => superscripts[c] ?? c).join('');

/** Four significant digits; inf and nan by name. */
export function figure(value: number, digits = 4): string {
    if (Number.isNaN(value)) return 'nan';
    if (!Number.isFinite(value)) return value > 0 ? 'inf' : '−inf';
    if (value === 0) return '0';
    const size = Math.abs(value);
    if (size >= 1e6 || size < 1e-4) {
        const [mantissa, exponent] = value.toExponential(Math.max(0, digits - 2)).split('e');
        return `${mantissa!.replace(/\.?0+$/, '')}e${Number(exponent)}`.replace(/-/g, '−');
    }
    return Number(value.toPrecision(digits))
        .toLocaleString('en', { maximumSignificantDigits: digits })
        .replace('-', '−');
}

/** A share in [0, 1] as a percentage of two significant digits. */
export function percent(share: number): string {
    if (Number.isNaN(share)) return 'not traced';
    if (share === 0) return '0 %';
    if (share < 1e-6) return '< 0.0001 %';
    const value = 100 * share;
    if (value >= 99.95 && share < 1) return '> 99.9 %';
    return `${value >= 10 ? value.toFixed(value >= 99.5 ? 1 : 0) : Number(value.toPrecision(2))} %`;
}

export const integer = (value: number) => value.toLocaleString('en');

/** "gradient-underflow" or "weight_gradient" as words. */
export const words = (name: string) => name.replace(/[-_]+/g, ' ').replace(/\bnan\b/gi, 'NaN');
export const sentenceCase = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
export const plural = (count: number, noun: string) => `${integer(count)} ${noun}${count === 1 ? '' : 's'}`;
