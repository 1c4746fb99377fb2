// Causes and remedies, the gravest recipe first; safe recipes' remarks folded away.
import { plural, sentenceCase, words } from './numbers';
import type { Finding, Recipe } from './report';
import { typeset } from './typeset';
import { Mark, gravity } from './verdicts';

const severityWord = { critical: 'critical', warning: 'warning', info: 'note' } as const;

function FindingCard({ finding, onShow }: { finding: Finding; onShow?: (() => void) | undefined }) {
    return (
        <li class={`finding ${finding.severity}`}>
            <h4>
                {sentenceCase(words(finding.detector))}
                {finding.layer && (
                    <>
                        {' '}
                        in <code>{finding.layer}</code>
                    </>
                )}
                <span class="quiet">
                    {severityWord[finding.severity]}
                    {finding.first_step !== null ? `, from step ${finding.first_step}` : ''}
                </span>
            </h4>
            <dl>
                <div>
                    <dt>Evidence</dt>
                    <dd>{typeset(finding.evidence)}</dd>
                </div>
                <div>
                    <dt>Cause</dt>
                    <dd>{typeset(finding.cause)}</dd>
                </div>
                <div class="remedy">
                    <dt>Remedy</dt>
                    <dd>{typeset(finding.remedy)}</dd>
                </div>
            </dl>
            {onShow && (
                <button type="button" class="link" onClick={onShow}>
                    Show {finding.tensor ? 'the tensor' : 'the layer'}
                </button>
            )}
        </li>
    );
}

export function Findings({
    recipes,
    onShow,
}: {
    recipes: Recipe[];
    onShow: (recipe: number, finding: Finding) => void;
}) {
    const order = recipes
        .map((_, index) => index)
        .filter((index) => recipes[index]!.findings.length > 0)
        .sort((a, b) => gravity[recipes[b]!.verdict] - gravity[recipes[a]!.verdict] || a - b);
    if (order.length === 0) return null;
    return (
        <section id="findings" aria-labelledby="findings-title">
            <h2 id="findings-title">Why, and what to do</h2>
            {order.map((index) => {
                const recipe = recipes[index]!;
                const cards = (
                    <ol class="finding-list">
                        {recipe.findings.map((finding) => (
                            <FindingCard
                                finding={finding}
                                onShow={
                                    recipe.layers.some((layer) => layer.name === finding.layer)
                                        ? () => onShow(index, finding)
                                        : undefined
                                }
                            />
                        ))}
                    </ol>
                );
                return (
                    <article class="recipe-findings">
                        <h3>
                            <Mark verdict={recipe.verdict} />
                            {recipe.name}
                        </h3>
                        <p class="quiet outcome">
                            {typeset(recipe.outcome.sentence)}{' '}
                            {recipe.confidence && <>Confidence: {recipe.confidence.replace(/\.$/, '')}.</>}
                        </p>
                        {gravity[recipe.verdict] === 0 ? (
                            <details>
                                <summary>{plural(recipe.findings.length, 'remark')}</summary>
                                {cards}
                            </details>
                        ) : (
                            cards
                        )}
                    </article>
                );
            })}
        </section>
    );
}
