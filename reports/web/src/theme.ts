// Light, dark, and the colours that canvases need as values.
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';

export type Theme = 'light' | 'dark';

export interface Palette {
    text: string;
    faint: string;
    grid: string;
    surface: string;
    twin: string;
    /** The twin's curve lies wide and pale under the recipes'. */
    underlay: string;
    band: string;
    series: string[];
    accent: string;
    bad: string;
    /** From nothing to everything; lightness changes steadily, so that it reads without telling hues apart. */
    heat: string[];
    nothing: string;
    missing: string;
}

// Series: Okabe and Ito's colours for all kinds of colour vision, lightened for dark; dashes tell them apart too.
const light: Palette = {
    text: '#1c2024',
    faint: '#60646c',
    grid: '#e6e8eb',
    surface: '#ffffff',
    twin: '#1c2024',
    underlay: '#c3c7cd',
    band: 'rgba(28,32,36,0.10)',
    series: ['#0072b2', '#d17a00', '#00795a', '#b0508a', '#3a93c9', '#c04a00', '#7a6a00', '#5b4bb5'],
    accent: '#0067a3',
    bad: '#b42318',
    heat: ['#fdf0d0', '#fbc875', '#f28e48', '#d4484f', '#952066', '#4a1066', '#1c0b3a'],
    nothing: '#f3f4f6',
    missing: '#ffffff',
};
const dark: Palette = {
    text: '#edeef0',
    faint: '#a0a5ae',
    grid: '#2c3036',
    surface: '#1b1e23',
    twin: '#f4f5f7',
    underlay: '#5b616a',
    band: 'rgba(237,238,240,0.13)',
    series: ['#56b4e9', '#f0a830', '#3fc79a', '#e08fc0', '#9ad4f5', '#f58549', '#d9c94a', '#a99cf0'],
    accent: '#6cbcf0',
    bad: '#ff8a7a',
    heat: ['#3b1550', '#6d1f66', '#a32a63', '#d6484f', '#f08243', '#fbbd5c', '#fdf3c4'],
    nothing: '#23272d',
    missing: '#1b1e23',
};

export const dashes: number[][] = [[], [8, 4], [2, 3], [10, 3, 2, 3], [14, 4], [5, 2], [2, 2, 6, 2], [1, 3]];

export const ThemeContext = createContext<Theme>('light');
export const paletteOf = (theme: Theme) => (theme === 'dark' ? dark : light);
export const usePalette = () => paletteOf(useContext(ThemeContext));

const storageKey = 'halfscope-theme';

/** Storage may be forbidden to a page opened from disk. */
function stored(): string | null {
    try {
        return localStorage.getItem(storageKey);
    } catch {
        return null;
    }
}

/** The theme and its toggle: ?theme= wins over the reader's last choice, that over the system's. Paper is light. */
export function useTheme(): [Theme, () => void] {
    const system = matchMedia('(prefers-color-scheme: dark)');
    const wished = new URLSearchParams(location.search).get('theme') ?? stored();
    const [chosen, choose] = useState<Theme | null>(wished === 'dark' || wished === 'light' ? wished : null);
    const [systemDark, setSystemDark] = useState(system.matches);
    const [printing, setPrinting] = useState(false);
    useEffect(() => {
        const changed = () => setSystemDark(system.matches);
        const before = () => setPrinting(true);
        const after = () => setPrinting(false);
        system.addEventListener('change', changed);
        addEventListener('beforeprint', before);
        addEventListener('afterprint', after);
        return () => {
            system.removeEventListener('change', changed);
            removeEventListener('beforeprint', before);
            removeEventListener('afterprint', after);
        };
    }, []);
    const theme: Theme = printing ? 'light' : (chosen ?? (systemDark ? 'dark' : 'light'));
    document.documentElement.dataset['theme'] = theme;
    const toggle = () => {
        const next = theme === 'dark' ? 'light' : 'dark';
        choose(next);
        try {
            localStorage.setItem(storageKey, next);
        } catch {
            // The choice then lasts as long as the page.
        }
    };
    return [theme, toggle];
}
