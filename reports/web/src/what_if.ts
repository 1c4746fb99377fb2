// What another format or loss scale would lose of the fp32 twin's values, from their exponent histograms alone: the
// same counting as `halfscope analyze` (analysis/statistics/what_if.h, storage_outlook.h), over all traced steps.
import { type Fate, type FormatRange, fateOf } from './formats';
import { toNumber } from './numbers';
import type { Layer, Statistics } from './report';

export type Fates = Record<Fate, number>;
export const noFates = (): Fates => ({ normal: 0, subnormal: 0, lost: 0, overflow: 0 });

/** What rounds to zero matters when it carries more than this share of its tensor's squared norm. */
export const allowedLostSquares = 0.001;

export interface TensorOutlook {
    fates: Fates;
    lostSquares: number;
}

export interface LayerOutlook {
    layer: Layer;
    forward: Fates;
    gradients: Fates;
    lostSquares: number;
    matters: boolean;
}

/** `statistics` multiplied by 2^k and rounded to `format`. */
export function whatIf(statistics: Statistics, format: FormatRange, k: number): TensorOutlook {
    const fates = noFates();
    let lost = 0;
    let kept = 0;
    statistics.exponents.counts.forEach((count, i) => {
        const exponent = statistics.exponents.lowest + i + k;
        const fate = fateOf(exponent, format);
        fates[fate] += count;
        const squares = count * 4 ** exponent;
        if (fate === 'lost') lost += squares;
        else kept += squares;
    });
    // The topmost sliver of the highest binade overflows: the largest magnitude tells whether at least one value does.
    if (fates.overflow === 0 && toNumber(statistics.amax) * 2 ** k >= format.overflowFrom) {
        fates.overflow = 1;
        fates.normal -= 1;
    }
    return { fates, lostSquares: lost + kept > 0 ? lost / (lost + kept) : 0 };
}

const isGradient = (role: string) => role === 'gradient' || role === 'weight_gradient';

/** Optimizer state stays in fp32 unless a recipe says otherwise, and updates are fp32's own: neither is counted. */
const counted = (role: string) => role !== 'optimizer_state' && role !== 'update';

export function outlookOf(layer: Layer, format: FormatRange, k: number): LayerOutlook {
    const outlook: LayerOutlook = { layer, forward: noFates(), gradients: noFates(), lostSquares: 0, matters: false };
    for (const [role, group] of Object.entries(layer.tensors)) {
        if (!counted(role)) continue;
        const gradient = isGradient(role);
        const pooled = gradient ? outlook.gradients : outlook.forward;
        for (const tensor of group.members ?? [group]) {
            const { fates, lostSquares } = whatIf(tensor, format, gradient ? k : 0);
            if (tensor.mask) fates.overflow = 0;
            for (const fate of Object.keys(fates) as Fate[]) pooled[fate] += fates[fate];
            outlook.lostSquares = Math.max(outlook.lostSquares, lostSquares);
            if (fates.overflow > 0 || lostSquares > allowedLostSquares) outlook.matters = true;
        }
    }
    return outlook;
}
