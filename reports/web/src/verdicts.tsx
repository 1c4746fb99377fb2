// The answer: one sentence for the whole report, then one row per recipe.
import { figure, integer, percent, plural, powerOfTwo, toNumber } from './numbers';
import type { Num, Recipe, Reference, Report, Verdict } from './report';
import { styleOf } from './chart';
import { usePalette } from './theme';
import { typeset } from './typeset';

/** Worst first, to choose what the page shows first. */
export const gravity: Record<Verdict, number> = { unsafe: 3, risky: 2, 'no-verdict': 1, safe: 0 };

/** A shape of its own for each verdict: colour is never the only sign. */
export function Mark({ verdict }: { verdict: Verdict }) {
    const shapes: Record<Verdict, preact.ComponentChildren> = {
        safe: (
            <>
                <circle cx="12" cy="12" r="10" />
                <path d="M7.5 12.5l3 3 6-6.5" />
            </>
        ),
        risky: (
            <>
                <path class="filled" d="M12 2.5 L22.5 21 H1.5 Z" />
                <path d="M12 9.5v5 M12 17.6v.3" />
            </>
        ),
        unsafe: (
            <>
                <rect x="2" y="2" width="20" height="20" rx="3" />
                <path d="M8 8l8 8 M16 8l-8 8" />
            </>
        ),
        'no-verdict': (
            <>
                <circle cx="12" cy="12" r="10" class="hollow" />
                <path class="ink" d="M9.3 9.4a2.8 2.8 0 1 1 4.2 2.5c-1 .6-1.5 1.1-1.5 2.2 M12 17v.3" />
            </>
        ),
    };
    return (
        <svg class={`mark ${verdict}`} viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
            {shapes[verdict]}
        </svg>
    );
}

/** Names do not break at their hyphens. */
const unbroken = (name: string) => name.replace(/-/g, '\u2011');
const listed = (names: string[]) =>
    names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;

export function answer(report: Report): string {
    const named = (verdict: Verdict) =>
        report.recipes.filter((one) => one.verdict === verdict).map((one) => unbroken(one.name));
    if (report.recipes.length === 0)
        return report.reference.sound ? 'The fp32 twin was trained alone.' : 'The fp32 twin itself does not train.';
    if (!report.reference.sound) return 'No verdict on precision: the fp32 twin itself does not train.';
    const [safe, risky, unsafe, none] = [named('safe'), named('risky'), named('unsafe'), named('no-verdict')];
    const parts: string[] = [];
    if (safe.length > 0) parts.push(`${listed(safe)} ${safe.length > 1 ? 'are' : 'is'} safe`);
    if (risky.length > 0) parts.push(`${listed(risky)} ${risky.length > 1 ? 'are' : 'is'} risky`);
    if (unsafe.length > 0) parts.push(`${listed(unsafe)} ${unsafe.length > 1 ? 'are' : 'is'} unsafe`);
    if (none.length > 0) parts.push(`no verdict on ${listed(none)}`);
    const text = parts.join('; ') + '.';
    return text.startsWith('no ') ? 'N' + text.slice(1) : text;
}

/** The loss beside the twin's, small; it ends in a cross where it stops being finite. */
function Spark({
    recipe,
    reference,
    color,
    dash,
}: {
    recipe: Recipe;
    reference: Reference;
    color: string;
    dash: number[];
}) {
    const palette = usePalette();
    const [width, height] = [150, 40];
    const twin = reference.loss.map(toNumber);
    const own = recipe.loss.map(toNumber);
    const finite = (twin.some(Number.isFinite) ? twin : own).filter(Number.isFinite);
    if (finite.length === 0) return null;
    const low = Math.min(...finite),
        high = Math.max(...finite);
    const steps = Math.max(twin.length, own.length, 2);
    const each = Math.max(1, Math.floor(steps / width));
    const x = (i: number) => 3 + (i / (steps - 1)) * (width - 12);
    const y = (value: number) => 3 + (1 - Math.max(0, Math.min(1.1, (value - low) / (high - low || 1)))) * (height - 8);
    const path = (values: number[]) => {
        let text = '',
            pen = 'M';
        for (let i = 0; i < values.length; i += each) {
            if (!Number.isFinite(values[i]!)) {
                pen = 'M';
                continue;
            }
            text += `${pen}${x(i).toFixed(1)} ${Math.max(2, y(values[i]!)).toFixed(1)}`;
            pen = 'L';
        }
        return text;
    };
    const broken = own.findIndex((value) => !Number.isFinite(value));
    const last = broken > 0 ? own[broken - 1]! : 0;
    return (
        <svg class="spark" viewBox={`0 0 ${width} ${height}`} width={width} height={height} aria-hidden="true">
            <path d={path(twin)} stroke={palette.twin} stroke-width="4" opacity="0.22" />
            <path d={path(own)} stroke={color} stroke-width="1.8" stroke-dasharray={dash.join(' ')} />
            {broken > 0 && (
                <path d={`M${x(broken) - 3} ${y(last) - 3}l7 7m0 -7l-7 7`} stroke={color} stroke-width="2" />
            )}
        </svg>
    );
}

const lossText = (value: Num) => figure(toNumber(value), 3);

/** What the recipe gains: memory of a step, and the work matrix units speed up. */
function gain(recipe: Recipe, reference: Reference): string | null {
    const own = recipe.run.cost,
        twin = reference.run.cost;
    if (!own || !twin || twin.bytes === 0 || own.multiply_adds === 0) return null;
    const share = own.multiply_adds_16bit / own.multiply_adds;
    return `memory ${figure(own.bytes / twin.bytes, 2)} of fp32, ${percent(share)} of multiply-adds in 16 bits`;
}

/** How good the finished model is on samples it did not see, and the average of its weights where one is kept. */
function heldOut(recipe: Recipe): string[] {
    const last = (metric: string) => recipe.evaluations.filter((e) => e.metric === metric).pop();
    return ['', 'averaged_'].flatMap((which) => {
        const weights = which ? 'averaged weights: ' : '';
        const accuracy = last(`${which}accuracy`),
            loss = last(`${which}loss`);
        if (accuracy) return [`${weights}accuracy ${percent(toNumber(accuracy.value))}`];
        return loss ? [`${weights}loss ${lossText(loss.value)} on held-out data`] : [];
    });
}

function facts(recipe: Recipe, reference: Reference): string[] {
    const list: string[] = [];
    const { outcome, loss_scale: scale } = recipe;
    list.push(`final loss ${lossText(outcome.final)}, fp32 ${lossText(outcome.reference_final)}`);
    list.push(...heldOut(recipe));
    if (scale.rule && scale.rule !== 'none')
        list.push(
            `loss scale ${scale.rule.split(':')[0]}${scale.window_log2 && recipe.run.compute_format === 'fp16' ? `, ${powerOfTwo(scale.window_log2[0])} to ${powerOfTwo(scale.window_log2[1])} fits` : ''}`,
        );
    if (scale.skipped_steps > 0) list.push(`${plural(scale.skipped_steps, 'step')} skipped`);
    const gained = gain(recipe, reference);
    if (gained) list.push(gained);
    if (!recipe.complete)
        list.push(`cut short after ${integer(recipe.loss.length)} of ${integer(recipe.run.planned_steps)} steps`);
    return list;
}

export function Verdicts({ report }: { report: Report }) {
    const palette = usePalette();
    return (
        <section id="verdicts" aria-label="Verdicts">
            <ul class="verdicts">
                {report.recipes.map((recipe, index) => (
                    <li class={recipe.verdict}>
                        <Mark verdict={recipe.verdict} />
                        <div class="what">
                            <h2>
                                {recipe.name}{' '}
                                <span class={`word ${recipe.verdict}`}>
                                    {recipe.verdict === 'no-verdict' ? 'no verdict' : recipe.verdict}
                                </span>
                            </h2>
                            <p class="headline">{typeset(recipe.headline)}</p>
                            <p class="facts">
                                {facts(recipe, report.reference).map((fact) => (
                                    <span>{fact}</span>
                                ))}
                            </p>
                        </div>
                        <Spark recipe={recipe} reference={report.reference} {...styleOf(palette.series, index)} />
                    </li>
                ))}
            </ul>
        </section>
    );
}
