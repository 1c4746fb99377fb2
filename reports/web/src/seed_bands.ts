// Curves of several seeds as one line and a band.
import { toNumber } from './numbers';
import type { ConvergeReport, ConvergingRecipe, OtherRun } from './converge_report';

/** Values by step, over seeds. */
type BySeed = (number | null)[][];

export interface Curves {
    mean: (number | null)[];
    low: (number | null)[];
    high: (number | null)[];
}

const trailing = (values: number[], window: number) =>
    values.map((_, i) => {
        const part = values.slice(Math.max(0, i + 1 - window), i + 1);
        return part.reduce((sum, value) => sum + value, 0) / part.length;
    });

export function overSeeds(values: BySeed, count: number, log: boolean): Curves {
    const known = Array.from({ length: count }, (_, i) =>
        values
            .map((seed) => seed[i])
            .filter((value): value is number => value != null && Number.isFinite(value) && (!log || value > 0)),
    );
    const of = (reduce: (at: number[]) => number) => known.map((at) => (at.length > 0 ? reduce(at) : null));
    return {
        mean: of((at) => at.reduce((sum, value) => sum + value, 0) / at.length),
        low: of((at) => Math.min(...at)),
        high: of((at) => Math.max(...at)),
    };
}

/** Same as analysis::smoothing_window. */
export const smoothingWindow = (steps: number) => Math.max(1, Math.floor(steps / 40));

export const trainingLosses = (recipe: ConvergingRecipe, window: number): BySeed =>
    recipe.runs.map((run) => trailing(run.loss.map(toNumber), window));

export const evaluations = (recipe: ConvergingRecipe, metric: string, steps: number[]): BySeed =>
    recipe.runs.map((run) => {
        const at = new Map(run.evaluations.filter((e) => e.metric === metric).map((e) => [e.step, toNumber(e.value)]));
        return steps.map((step) => at.get(step) ?? null);
    });

/** Steps at which anything was evaluated, those of the other runs included. */
export function evaluationSteps(report: ConvergeReport, metric: string, others: OtherRun[]): number[] {
    const steps = new Set<number>();
    for (const recipe of report.recipes)
        for (const run of recipe.runs)
            for (const evaluation of run.evaluations) if (evaluation.metric === metric) steps.add(evaluation.step);
    for (const other of others) for (const step of other.steps) steps.add(step);
    return [...steps].sort((a, b) => a - b);
}
