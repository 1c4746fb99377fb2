// The top of every page: what it is about, and the switch between light and dark.
import type { ComponentChildren } from 'preact';
import type { Theme } from './theme';

export function Masthead({
    model,
    facts,
    theme,
    onTheme,
    children,
}: {
    model: string;
    /** Those that are known. */
    facts: (string | false)[];
    theme: Theme;
    onTheme: () => void;
    /** More buttons. */
    children?: ComponentChildren;
}) {
    return (
        <header class="masthead">
            <div>
                <p class="wordmark">HalfScope</p>
                <p class="subject">
                    <b>{model}</b> {facts.filter(Boolean).join(', ')}
                </p>
            </div>
            <div class="actions">
                {children}
                <button
                    type="button"
                    id="theme"
                    onClick={onTheme}
                    aria-label={`Switch to ${theme === 'dark' ? 'light' : 'dark'} colours`}
                >
                    {theme === 'dark' ? 'Light' : 'Dark'}
                </button>
            </div>
        </header>
    );
}
