// The shape of the embedded data: report.json (reports/document/report.schema.json) and the heat maps' planes
// (reports/render/page_data.h).

/** JSON has no inf or NaN: they come as words. */
export type Num = number | 'inf' | '-inf' | 'nan';
export type Verdict = 'safe' | 'risky' | 'unsafe' | 'no-verdict';
export type Severity = 'info' | 'warning' | 'critical';

export interface Finding {
    detector: string;
    severity: Severity;
    layer: string;
    tensor: string;
    first_step: number | null;
    evidence: string;
    cause: string;
    remedy: string;
}

/** Of `halfscope validate` (reports/document/validation.schema.json). */
export interface KernelValidation {
    kernel: string;
    place: string;
    order: string;
    inputs: string;
    verdict: 'bit-equal' | 'different order' | 'extra rounding' | 'real bug' | 'skipped';
    passed: boolean;
    explanation: string;
    evidence: string[];
    elements: number;
    bit_equal: number;
    nan_payload_differences: number;
    worst_ulp: number;
    errors: { worst_of_bound: Num } | null;
    bound: string;
}
export interface Validation {
    command: string;
    environment: Record<string, string>;
    passed: number;
    failed: number;
    skipped: number;
    kernels: KernelValidation[];
}

/** Of one training step. */
export interface Cost {
    bytes: number;
    weight_bytes: number;
    master_bytes: number;
    gradient_bytes: number;
    state_bytes: number;
    activation_bytes: number;
    multiply_adds: number;
    multiply_adds_16bit: number;
}

export interface Exponents {
    lowest: number;
    counts: number[];
}

export interface Worst {
    step: number;
    '%': Num;
}

export interface Statistics {
    name?: string;
    operation: string;
    format: string;
    backward: boolean;
    scaled: boolean;
    count: number;
    num_zero: number;
    num_inf: number;
    num_nan: number;
    underflows: number;
    subnormals: number;
    overflows: number;
    'underflows%': Num;
    'underflows%_of_nonzero': Num;
    'subnormals%_of_nonzero': Num;
    'overflows%': Num;
    'lost%': Num | null;
    amax: Num;
    amin: Num;
    mean: Num;
    std: Num;
    mean_abs: Num;
    dynamic_range: Num;
    headroom_log2: Num;
    mse: Num;
    exponents: Exponents;
    /** Becomes -inf as it is meant to. */
    mask?: boolean;
    traced_steps?: number;
    first_step?: { underflow: number | null; overflow: number | null; non_finite: number | null };
    worst_step?: { underflow: Worst | null; overflow: Worst | null };
    members?: Statistics[];
}

export interface Layer {
    name: string;
    policy: string;
    has_gradients: boolean;
    scale_window_log2: [number, number] | null;
    fidelity: { cosine: Num | null; norm_ratio: Num | null; moved: Num | null; retained: Num | null };
    tensors: Record<string, Statistics>;
}

export interface RunFacts {
    description: string;
    compute_format: string;
    weight_format: string;
    master_weights: boolean;
    optimizer: string;
    state_format: string;
    seed: number;
    planned_steps: number;
    cost: Cost | null;
}

export interface Evaluation {
    step: number;
    metric: string;
    value: Num;
}

export interface Event {
    step: number;
    kind: string;
    layer: string;
    operation: string;
    backward: boolean;
    input_amax: Num;
    limit: Num;
    scale_dependent: boolean;
    detail: string;
}

export interface Outcome {
    reference_final: Num;
    final: Num;
    difference: Num;
    noise: Num;
    noise_source: string;
    diverged: boolean;
    stalled: boolean;
    parts_at: number | null;
    progress: Num;
    behind: Num;
    sentence: string;
}

/** What the search for the least safe change found (reports/document/report.schema.json). */
export interface Fix {
    found: boolean;
    sentence: string;
    changes: string[];
    headline: string;
    minimal: boolean;
    confirmed: { seed: number; verdict: Verdict } | null;
    cost: Cost | null;
    cost_sentence: string;
    overlay: string;
    overlay_file: string;
    command: string;
    pytorch: string[];
    attempts: { changes: string[]; verdict: Verdict; headline: string }[];
    seconds: number;
}

export interface Recipe {
    name: string;
    verdict: Verdict;
    headline: string;
    confidence: string;
    complete: boolean;
    findings: Finding[];
    outcome: Outcome;
    run: RunFacts;
    loss: Num[];
    loss_in_fp32: Num[];
    gradient_norm: Num[];
    loss_scale: {
        rule: string;
        skipped_steps: number;
        window_log2: [number, number] | null;
        window_sentence: string;
        trajectory: Num[];
        skipped_at: number[];
    };
    fidelity: { points: { step: number; cosine: Num; norm_ratio: Num; moved: Num; retained: Num }[] };
    evaluations: Evaluation[];
    events: Event[];
    layers: Layer[];
    fix: Fix | null;
}

export interface Reference {
    name: string;
    sound: boolean;
    problem: string;
    complete: boolean;
    run: RunFacts;
    loss: Num[];
    gradient_norm: Num[];
    sibling_losses: Num[][];
    evaluations: Evaluation[];
    layers: Layer[];
}

export interface Report {
    schema: string;
    halfscope_version: string;
    model: string;
    model_name: string;
    parameters: number;
    data: string;
    command: string;
    settings: Record<string, string>;
    notes: string[];
    environment: Record<string, string>;
    recipes: Recipe[];
    reference: Reference;
}

export interface HeatRow {
    layer: number;
    tensor: string;
    underflow?: string;
    overflow?: string;
    subnormal?: string;
    non_finite?: string;
    amax: string;
}

export interface Heat {
    columns: number[];
    last: number;
    rows: HeatRow[];
}

export interface PageData {
    report: Report;
    heat: Heat[];
    validation?: Validation;
}
