// One of several recipes: a row of buttons, arrow keys move between them.
import { useRef } from 'preact/hooks';

export function Tabs({
    label,
    names,
    chosen,
    onChoose,
}: {
    label: string;
    names: string[];
    chosen: number;
    onChoose: (index: number) => void;
}) {
    const row = useRef<HTMLDivElement>(null);
    if (names.length < 2) return null;
    const move = (event: KeyboardEvent) => {
        const by = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
        if (by === 0) return;
        event.preventDefault();
        const next = (chosen + by + names.length) % names.length;
        onChoose(next);
        (row.current!.children[next] as HTMLElement).focus();
    };
    return (
        <div class="tabs" role="radiogroup" aria-label={label} ref={row} onKeyDown={move}>
            {names.map((name, index) => (
                <button
                    type="button"
                    role="radio"
                    aria-checked={index === chosen}
                    tabIndex={index === chosen ? 0 : -1}
                    onClick={() => onChoose(index)}
                >
                    {name}
                </button>
            ))}
        </div>
    );
}
