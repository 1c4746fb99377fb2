import './page.css';
import { render } from 'preact';

const data = JSON.parse(document.getElementById('data')!.textContent!);
render(<main><h1>{data.report.model}</h1>{data.report.recipes.map((r: any) => <section><h2>{r.name}: {r.verdict}</h2><p>{r.headline}</p>
{r.findings.map((f: any) => <p><b>{f.detector}</b> {f.layer} {f.evidence} {f.cause} {f.remedy}</p>)}</section>)}</main>, document.getElementById('page')!);
