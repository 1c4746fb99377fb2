// What makes a recipe safe: the answer, what it costs, and it to copy, as TOML and as PyTorch.
import { useState } from 'preact/hooks';
import { figure, percent, plural } from './numbers';
import type { Cost, Fix, Recipe, Reference } from './report';
import { typeset } from './typeset';
import { Mark } from './verdicts';

function Code({ title, text }: { title: string; text: string }) {
    const [copied, setCopied] = useState(false);
    const copy = async () => {
        try {
            await navigator.clipboard.writeText(text);
            setCopied(true);
            setTimeout(() => setCopied(false), 1500);
        } catch {
            // Without permission the text is there to be selected.
        }
    };
    return (
        <div class="fix-code">
            <h4>
                {title}
                <button type="button" class="link" onClick={copy} aria-label={`Copy ${title}`}>
                    {copied ? 'Copied' : 'Copy'}
                </button>
            </h4>
            <pre tabIndex={0}>{text}</pre>
        </div>
    );
}

const mebibytes = (bytes: number) => `${figure(bytes / 2 ** 20, 4)} MiB`;
const atFullPrecision = (cost: Cost) =>
    cost.multiply_adds === 0 ? '–' : percent(1 - cost.multiply_adds_16bit / cost.multiply_adds);

/** A step of the recipe as it was asked for, as it was fixed, and of the fp32 twin. */
function Costs({ recipe, fix, reference }: { recipe: Recipe; fix: Fix; reference: Reference }) {
    const rows: [string, Cost | null][] = [
        [recipe.name, recipe.run.cost],
        [fix.found ? `${recipe.name}, fixed` : 'the nearest', fix.cost],
        [reference.name, reference.run.cost],
    ];
    if (!fix.cost) return null;
    return (
        <table class="fix-cost">
            <thead>
                <tr>
                    <th scope="col">A step of</th>
                    <th scope="col">Memory</th>
                    <th scope="col">Multiply-adds at full precision</th>
                </tr>
            </thead>
            <tbody>
                {rows.map(
                    ([name, cost]) =>
                        cost && (
                            <tr>
                                <th scope="row">{name}</th>
                                <td>{mebibytes(cost.bytes)}</td>
                                <td>{atFullPrecision(cost)}</td>
                            </tr>
                        ),
                )}
            </tbody>
        </table>
    );
}

function OneFix({ recipe, fix, reference }: { recipe: Recipe; fix: Fix; reference: Reference }) {
    return (
        <article class="recipe-fix">
            <h3>
                <Mark verdict={fix.found ? 'safe' : recipe.verdict} />
                {recipe.name}
                {fix.found && ', fixed'}
            </h3>
            <p class="fix-sentence">{typeset(fix.sentence)}</p>
            {fix.found && <p class="quiet fix-sentence">{typeset(fix.headline)}</p>}
            <Costs recipe={recipe} fix={fix} reference={reference} />
            {fix.found && (
                <>
                    <Code title={fix.overlay_file || 'Overlay'} text={fix.overlay} />
                    <Code title="PyTorch" text={fix.pytorch.join('\n')} />
                </>
            )}
            {fix.attempts.length > 0 && (
                <details>
                    <summary>{plural(fix.attempts.length, 're-run')}</summary>
                    <ol class="attempts">
                        {fix.attempts.map((attempt) => (
                            <li>
                                <Mark verdict={attempt.verdict} />
                                <div>
                                    <b>{attempt.verdict === 'no-verdict' ? 'no verdict' : attempt.verdict}</b>:{' '}
                                    {typeset(attempt.changes.join(', '))}
                                    <p class="quiet">{typeset(attempt.headline)}</p>
                                </div>
                            </li>
                        ))}
                    </ol>
                </details>
            )}
        </article>
    );
}

export function FixSection({ recipes, reference }: { recipes: Recipe[]; reference: Reference }) {
    const fixed = recipes.filter((recipe) => recipe.fix);
    if (fixed.length === 0) return null;
    return (
        <section id="fix" aria-labelledby="fix-title">
            <h2 id="fix-title">What makes it safe</h2>
            {fixed.map((recipe) => (
                <OneFix recipe={recipe} fix={recipe.fix!} reference={reference} />
            ))}
        </section>
    );
}
