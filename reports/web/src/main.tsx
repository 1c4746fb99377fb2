// The page: answer first, then why, then the evidence, then how it was made.
import './page.css';
import './answer.css';
import './controls.css';
import './scale.css';
import './heatmap.css';
import './tensor.css';
import './reproduce.css';
import './kernels.css';
import './fix.css';
import './what_if.css';
import './media.css';
import { render } from 'preact';
import { useState } from 'preact/hooks';
import { CurvesSection } from './curves';
import { FidelitySection } from './fidelity';
import { Findings } from './findings';
import { FixSection } from './fix';
import { KernelsSection } from './kernels';
import { Masthead } from './masthead';
import { integer, plural } from './numbers';
import { RangeSection, type Wanted } from './range';
import type { PageData } from './report';
import { ReproduceSection } from './reproduce';
import { ScaleSection } from './scale';
import { ThemeContext, useTheme } from './theme';
import { Verdicts, answer, gravity } from './verdicts';
import { WhatIfSection } from './what_if_section';

const holder = document.getElementById('page')!;
const data = JSON.parse(document.getElementById('data')!.textContent!) as PageData;

function saveReport() {
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob([JSON.stringify(data.report, null, 1)], { type: 'application/json' }));
    link.download = 'report.json';
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function Page() {
    const { report, heat, validation } = data;
    const [theme, toggleTheme] = useTheme();
    const gravest = report.recipes.reduce(
        (worst, recipe, index) => (gravity[recipe.verdict] > gravity[report.recipes[worst]!.verdict] ? index : worst),
        0,
    );
    const [chosen, choose] = useState(gravest);
    const [wanted, want] = useState<Wanted | null>(null);
    const facts = [
        report.data && `on ${report.data}`,
        report.parameters > 0 && `${integer(report.parameters)} parameters`,
        plural(report.reference.loss.length, 'step'),
    ];
    return (
        <ThemeContext.Provider value={theme}>
            <Masthead model={report.model} facts={facts} theme={theme} onTheme={toggleTheme}>
                <button type="button" onClick={saveReport}>
                    Save report.json
                </button>
            </Masthead>
            <main>
                <h1>{answer(report)}</h1>
                {!report.reference.sound && <p class="problem">{report.reference.problem}</p>}
                {!report.reference.complete && (
                    <p class="problem">
                        The fp32 twin was cut short after {plural(report.reference.loss.length, 'step')} of{' '}
                        {integer(report.reference.run.planned_steps)}; the verdicts rest on those.
                    </p>
                )}
                <Verdicts report={report} />
                <Findings
                    recipes={report.recipes}
                    onShow={(index, finding) => {
                        choose(index);
                        want({
                            layer: finding.layer,
                            tensor: finding.tensor,
                            step: finding.first_step,
                            request: (wanted?.request ?? 0) + 1,
                        });
                        document
                            .getElementById('range')
                            ?.scrollIntoView({
                                behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth',
                            });
                    }}
                />
                <FixSection recipes={report.recipes} reference={report.reference} />
                <CurvesSection report={report} />
                <ScaleSection recipes={report.recipes} chosen={chosen} onRecipe={choose} />
                {report.recipes.length > 0 && (
                    <RangeSection
                        recipes={report.recipes}
                        heats={heat}
                        reference={report.reference}
                        chosen={chosen}
                        onRecipe={(index) => {
                            want(null);
                            choose(index);
                        }}
                        wanted={wanted}
                    />
                )}
                <WhatIfSection reference={report.reference} recipe={report.recipes[gravest]} />
                <FidelitySection recipes={report.recipes} chosen={chosen} onRecipe={choose} />
                {validation && <KernelsSection validation={validation} />}
                <ReproduceSection report={report} />
            </main>
        </ThemeContext.Provider>
    );
}

holder.textContent = '';
render(<Page />, holder);
