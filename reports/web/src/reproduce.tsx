// What was run, where, and how to run it again.
import { useState } from 'preact/hooks';
import { figure, sentenceCase, toNumber, words } from './numbers';
import type { Recipe, Report } from './report';
import { typeset } from './typeset';

export function Facts({
    title,
    facts,
    named = words,
}: {
    title: string;
    facts: Record<string, string>;
    named?: (key: string) => string;
}) {
    const entries = Object.entries(facts);
    if (entries.length === 0) return null;
    return (
        <div>
            <h3>{title}</h3>
            <dl class="facts-list">
                {entries.map(([name, value]) => (
                    <div>
                        <dt>{named(name)}</dt>
                        <dd>{value}</dd>
                    </div>
                ))}
            </dl>
        </div>
    );
}

/** The first inf or NaN of each recipe, in words. */
const eventLine = (recipe: Recipe) =>
    recipe.events.map((event) => (
        <li>
            <b>{recipe.name}</b>, step {event.step}: {words(event.kind)}
            {event.layer && (
                <>
                    {' '}
                    in <code>{event.layer}</code>
                </>
            )}
            {event.operation && <>, {words(event.operation)}</>}
            {Number.isFinite(toNumber(event.input_amax)) && toNumber(event.input_amax) > 0 && (
                <>
                    , largest operand {figure(toNumber(event.input_amax))} (limit {figure(toNumber(event.limit), 5)})
                </>
            )}
            {event.detail && (
                <>
                    {' '}
                    <span class="quiet">{typeset(event.detail)}</span>
                </>
            )}
        </li>
    ));

/** The command line, to be copied. */
export function Command({ text }: { text: string }) {
    const [copied, setCopied] = useState(false);
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(text);
            setCopied(true);
            setTimeout(() => setCopied(false), 1500);
        } catch {
            // Without permission the text is there to be selected.
            getSelection()?.selectAllChildren(document.getElementById('command')!);
        }
    };
    return (
        <div class="command">
            <pre id="command" tabIndex={0}>
                {text}
            </pre>
            <button type="button" onClick={copy}>
                {copied ? 'Copied' : 'Copy'}
            </button>
        </div>
    );
}

export function ReproduceSection({ report }: { report: Report }) {
    const events = report.recipes.flatMap(eventLine);
    const recipes = Object.fromEntries(report.recipes.map((recipe) => [recipe.name, recipe.run.description]));
    return (
        <section id="reproduce" aria-labelledby="reproduce-title">
            <h2 id="reproduce-title">How this was made</h2>
            {report.command && <Command text={report.command} />}
            {report.notes.length > 0 && (
                <ul class="notes">
                    {report.notes.map((note) => (
                        <li>{typeset(note)}</li>
                    ))}
                </ul>
            )}
            {events.length > 0 && (
                <div>
                    <h3>{sentenceCase('first events')}</h3>
                    <ul class="notes">{events}</ul>
                </div>
            )}
            <div class="columns">
                <Facts title="Settings" facts={report.settings} />
                <Facts title="Environment" facts={{ halfscope: report.halfscope_version, ...report.environment }} />
                <Facts title="Recipes" facts={recipes} named={(name) => name} />
            </div>
        </section>
    );
}
