// converge.json as the page reads it; reports/document/converge.schema.json describes it.
import type { Num } from './report';

export type Standing = 'reference' | 'equal' | 'better' | 'no worse' | 'worse' | 'diverged' | 'undecided';

export interface Comparison {
    metric: string;
    larger_is_better: boolean;
    mean: Num | null;
    deviation: Num;
    reference_mean?: Num | null;
    differences?: Num[];
    difference?: Num | null;
    interval?: { low: Num; high: Num; coverage: number } | null;
    p?: number | null;
}

export interface SeedRun {
    seed: number;
    loss: Num[];
    loss_scale: Num[];
    skipped_at: number[];
    evaluations: { step: number; metric: string; value: Num }[];
    stopped: string | null;
}

export interface ConvergingRecipe {
    name: string;
    standing: Standing;
    sentence: string;
    comparisons: Comparison[];
    steps_to_target: (number | null)[];
    median_steps_to_target: number | null;
    parts_at: number | null;
    diverged_seeds: number[];
    diverged_at: number | null;
    spikes: number;
    skipped_steps: number;
    runs: SeedRun[];
}

export interface OtherRun {
    file: string;
    column: string;
    quantity: string;
    sentence: string;
    steps: number[];
    values: Num[];
}

export interface ConvergeReport {
    halfscope_version: string;
    model: string;
    parameters: number;
    data: string;
    command: string;
    settings: Record<string, string>;
    notes: string[];
    environment: Record<string, string>;
    seeds: number[];
    steps: number;
    evaluate_every: number;
    held_out_samples: number;
    margin: { value: Num; source: string };
    target: { training_loss: Num; source: string };
    recipes: ConvergingRecipe[];
    others: OtherRun[];
}
