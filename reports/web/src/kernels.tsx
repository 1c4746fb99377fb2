// Kernels on real hardware beside the emulator's bits: what `halfscope validate` found on this machine.
import { figure, integer, percent, plural, toNumber } from './numbers';
import type { KernelValidation, Validation, Verdict } from './report';
import { typeset } from './typeset';
import { Mark } from './verdicts';

const likeVerdict: Record<KernelValidation['verdict'], Verdict> = {
    'bit-equal': 'safe',
    'different order': 'risky',
    'extra rounding': 'unsafe',
    'real bug': 'unsafe',
    skipped: 'no-verdict',
};

function heading({ passed, failed, skipped }: Validation): string {
    const judged = passed + failed;
    if (judged === 0) return 'No kernel could run here';
    const left = skipped > 0 ? `, ${skipped} skipped` : '';
    return failed === 0 ? `${plural(judged, 'kernel')} passed${left}` : `${failed} of ${plural(judged, 'kernel')} failed${left}`;
}

export function KernelsSection({ validation }: { validation: Validation }) {
    const judged = validation.kernels.filter((kernel) => kernel.verdict !== 'skipped');
    const skipped = validation.kernels.filter((kernel) => kernel.verdict === 'skipped');
    return (
        <section id="kernels" aria-labelledby="kernels-title">
            <h2 id="kernels-title">Real hardware beside the emulator</h2>
            <p class="lead">
                {heading(validation)}. Every result of a kernel is held against the emulator's bits and the exact result.
            </p>
            {judged.length > 0 && (
                <div class="wide">
                    <table class="kernels">
                        <thead>
                            <tr>
                                <th scope="col">Kernel</th>
                                <th scope="col" class="number">
                                    Results
                                </th>
                                <th scope="col" class="number">
                                    Bit-equal
                                </th>
                                <th scope="col" class="number">
                                    Worst ulp
                                </th>
                                <th scope="col" class="number">
                                    Error / bound
                                </th>
                                <th scope="col">Verdict</th>
                            </tr>
                        </thead>
                        <tbody>
                            {judged.map((kernel) => (
                                <tr>
                                    <th scope="row">
                                        <details>
                                            <summary>
                                                <code>{kernel.kernel}</code>
                                            </summary>
                                            <p class="quiet">
                                                {typeset(`${kernel.order}; ${kernel.inputs}. ${kernel.explanation}`)}
                                            </p>
                                            {kernel.evidence.map((sentence) => (
                                                <p class="quiet">{typeset(sentence)}</p>
                                            ))}
                                        </details>
                                    </th>
                                    <td class="number">{integer(kernel.elements)}</td>
                                    <td class="number">
                                        {percent(
                                            (kernel.bit_equal + kernel.nan_payload_differences) /
                                                Math.max(1, kernel.elements),
                                        )}
                                    </td>
                                    <td class="number">{integer(kernel.worst_ulp)}</td>
                                    <td class="number" title={kernel.bound}>
                                        {kernel.errors ? figure(toNumber(kernel.errors.worst_of_bound), 3) : ''}
                                    </td>
                                    <td class="verdict">
                                        <Mark verdict={likeVerdict[kernel.verdict]} />
                                        {kernel.verdict}
                                    </td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
            {skipped.length > 0 && (
                <details class="skipped">
                    <summary>{plural(skipped.length, 'kernel')} skipped, so not judged</summary>
                    <ul>
                        {skipped.map((kernel) => (
                            <li>
                                <code>{kernel.kernel}</code> <span class="quiet">{kernel.explanation}</span>
                            </li>
                        ))}
                    </ul>
                </details>
            )}
            <p class="quiet made-by">
                <code>{validation.command}</code>
                {validation.environment.cpu && <> on {validation.environment.cpu}</>}
            </p>
        </section>
    );
}
