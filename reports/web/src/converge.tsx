// The page of a sweep: a sentence per recipe, the curves over seeds, the figures, and how it was made.
import './page.css';
import './controls.css';
import './answer.css';
import './reproduce.css';
import './converge.css';
import './media.css';
import { render } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import { type Band, Chart, type Line, styleOf, swatch } from './chart';
import type { Comparison, ConvergeReport, ConvergingRecipe } from './converge_report';
import { Masthead } from './masthead';
import { figure, integer, plural, toNumber } from './numbers';
import { Command, Facts } from './reproduce';
import { evaluations, evaluationSteps, overSeeds, smoothingWindow, trainingLosses } from './seed_bands';
import { type Palette, ThemeContext, usePalette, useTheme } from './theme';

const holder = document.getElementById('page')!;
const report = JSON.parse(document.getElementById('data')!.textContent!) as ConvergeReport;

const lookOf = (palette: Palette, index: number) =>
    index === 0
        ? { color: palette.twin, dash: [], width: 3.5 }
        : { ...styleOf(palette.series, index - 1), dash: [[8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [5, 2]][(index - 1) % 5]! };
/** #rrggbb with an opacity. */
const pale = (color: string) => `${color}24`;

function Statements() {
    const palette = usePalette();
    return (
        <ul class="statements">
            {report.recipes.map((recipe, index) => (
                <li>
                    {swatch(lookOf(palette, index))}
                    <span class={`standing ${recipe.standing.replace(' ', '-')}`}>{recipe.standing}</span>
                    <p>{recipe.sentence}</p>
                </li>
            ))}
            {report.others.map((other) => (
                <li>
                    {swatch({ color: palette.faint, dash: [] })}
                    <span class="standing">elsewhere</span>
                    <p>{other.sentence}</p>
                </li>
            ))}
        </ul>
    );
}

const quantities = [
    { id: 'training loss', metric: '' },
    { id: 'held-out loss', metric: 'loss' },
    { id: 'held-out accuracy', metric: 'accuracy' },
    { id: 'difference to fp32', metric: 'loss' },
].filter(
    ({ metric }) =>
        metric === '' || report.recipes.some((r) => r.runs.some((run) => run.evaluations.some((e) => e.metric === metric))),
);

function Curves() {
    const palette = usePalette();
    const [quantity, setQuantity] = useState(quantities[0]!.id);
    const [log, setLog] = useState(false);
    const { steps, lines, bands } = useMemo(() => {
        const { metric } = quantities.find(({ id }) => id === quantity)!;
        const difference = quantity === 'difference to fp32';
        const logged = log && !difference;
        const others = difference ? [] : report.others.filter((other) => other.quantity === quantity);
        const axis =
            metric === ''
                ? Array.from({ length: Math.max(report.steps, ...others.flatMap((o) => o.steps.map((s) => s + 1))) }, (_, i) => i)
                : evaluationSteps(report, metric, others);
        const valuesOf = (recipe: ConvergingRecipe) =>
            metric === ''
                ? trainingLosses(recipe, smoothingWindow(report.steps))
                : evaluations(recipe, metric, axis);
        const reference = valuesOf(report.recipes[0]!);
        const drawn: Line[] = [];
        const shades: Band[] = [];
        report.recipes.forEach((recipe, index) => {
            const values = valuesOf(recipe);
            const shown = difference
                ? values.map((seed, s) =>
                      seed.map((value, i) => {
                          const theirs = reference[s]?.[i];
                          return value == null || theirs == null ? null : value - theirs;
                      }),
                  )
                : values;
            const { mean, low, high } = overSeeds(shown, axis.length, logged);
            const look = lookOf(palette, index);
            drawn.push({ name: recipe.name, ...look, values: mean });
            shades.push({ name: `${recipe.name}: all seeds`, low, high, fill: pale(look.color), of: recipe.name });
        });
        for (const other of others) {
            const at = new Map(other.steps.map((step, i) => [step, toNumber(other.values[i])]));
            const values = axis.map((step) => {
                const value = at.get(step);
                return value === undefined || !Number.isFinite(value) || (logged && value <= 0) ? null : value;
            });
            drawn.push({ name: other.file, color: palette.faint, dash: [], values, dots: true });
        }
        return { steps: axis, lines: drawn, bands: shades };
    }, [palette, quantity, log]);
    const calm = [...lines[0]!.values, ...bands[0]!.high].filter((value): value is number => value !== null);
    const ceiling = quantity === 'difference to fp32' ? Infinity : 1.5 * Math.max(...calm);
    return (
        <section id="curves" aria-labelledby="curves-title">
            <h2 id="curves-title">Curves over {plural(report.seeds.length, 'seed')}</h2>
            <p class="lead">
                Lines are means, bands run from the lowest seed to the highest. A seed fixes initialisation and data
                order for every recipe. Drag to zoom, double-click to go back; the legend hides and shows.
            </p>
            <div class="controls">
                <div class="segments" role="group" aria-label="Quantity">
                    {quantities.map(({ id }) => (
                        <button type="button" aria-pressed={quantity === id} onClick={() => setQuantity(id)}>
                            {id}
                        </button>
                    ))}
                </div>
                <label class="check">
                    <input type="checkbox" id="log" checked={log} onChange={() => setLog(!log)} /> logarithmic
                </label>
            </div>
            <Chart
                label={`${quantity} over ${plural(report.steps, 'step')}`}
                steps={steps}
                lines={lines}
                bands={bands}
                log={log && quantity !== 'difference to fp32' ? 10 : undefined}
                range={
                    log
                        ? undefined
                        : (low, high) => {
                              const top = Math.min(high, ceiling);
                              const margin = 0.05 * (top - low) || 1e-6;
                              return [low - margin, top + margin];
                          }
                }
                height={360}
                axisValue={(value) => figure(value, 3)}
                legendValue={(value) => figure(value, 4)}
            />
        </section>
    );
}

const shown = (value: number) => (Number.isFinite(value) ? figure(value) : '–');
const range = (c: Comparison) =>
    c.interval ? `${figure(toNumber(c.interval.low), 2)} to ${figure(toNumber(c.interval.high), 2)}` : '';

function Figures() {
    const metrics = report.recipes[0]!.comparisons.map((c) => c.metric);
    const coverage = report.recipes.flatMap((r) => r.comparisons.map((c) => c.interval?.coverage ?? 0)).find((c) => c > 0);
    return (
        <section id="figures" aria-labelledby="figures-title">
            <h2 id="figures-title">At the end</h2>
            <p class="lead">
                Means over seeds, and paired differences to fp32
                {coverage ? ` with intervals that cover ${figure(100 * coverage)} % (exact, no normality assumed)` : ''}.
                Held-out figures over {integer(report.held_out_samples)} samples. Margin of equality ±
                {figure(toNumber(report.margin.value))} ({report.margin.source}); target: training loss{' '}
                {figure(toNumber(report.target.training_loss))} ({report.target.source}).
            </p>
            <div class="scroll" tabIndex={0} role="group" aria-labelledby="figures-title">
                <table class="figures">
                    <thead>
                        <tr>
                            <th scope="col">recipe</th>
                            {metrics.map((metric) => (
                                <>
                                    <th scope="col">{metric}</th>
                                    <th scope="col">minus fp32</th>
                                    <th scope="col">interval</th>
                                </>
                            ))}
                            <th scope="col">to target</th>
                            <th scope="col">parts at</th>
                            <th scope="col">spikes</th>
                            <th scope="col">skipped</th>
                            <th scope="col">diverged</th>
                        </tr>
                    </thead>
                    <tbody>
                        {report.recipes.map((recipe) => (
                            <tr>
                                <td>{recipe.name}</td>
                                {recipe.comparisons.map((c) => (
                                    <>
                                        <td>{shown(toNumber(c.mean))}</td>
                                        <td>{c.difference == null ? '' : figure(toNumber(c.difference), 2)}</td>
                                        <td>{range(c)}</td>
                                    </>
                                ))}
                                <td>{recipe.median_steps_to_target ?? 'never'}</td>
                                <td>{recipe.parts_at ?? '–'}</td>
                                <td>{recipe.spikes}</td>
                                <td>{recipe.skipped_steps}</td>
                                <td>{recipe.diverged_seeds.length}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}

function Page() {
    const [theme, toggleTheme] = useTheme();
    const facts = [
        `on ${report.data}`,
        `${integer(report.parameters)} parameters`,
        plural(report.steps, 'step'),
        plural(report.seeds.length, 'seed'),
    ];
    return (
        <ThemeContext.Provider value={theme}>
            <Masthead model={report.model} facts={facts} theme={theme} onTheme={toggleTheme} />
            <main>
                <h1>Do they reach what fp32 reaches?</h1>
                <Statements />
                <Curves />
                <Figures />
                <section id="reproduce" aria-labelledby="reproduce-title">
                    <h2 id="reproduce-title">How this was made</h2>
                    <Command text={report.command} />
                    <ul class="notes">
                        {report.notes.map((note) => (
                            <li>{note}</li>
                        ))}
                    </ul>
                    <div class="columns">
                        <Facts title="Settings" facts={report.settings} />
                        <Facts title="Environment" facts={{ halfscope: report.halfscope_version, ...report.environment }} />
                    </div>
                </section>
            </main>
        </ThemeContext.Provider>
    );
}

holder.textContent = '';
render(<Page />, holder);
