// The width an element has been given, so that drawings keep their text readable on a phone.
import type { RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';

export function useWidth<T extends Element>(first: number): [RefObject<T | null>, number] {
    const element = useRef<T>(null);
    const [width, setWidth] = useState(first);
    useLayoutEffect(() => {
        const measure = () => setWidth(Math.max(240, Math.round(element.current!.getBoundingClientRect().width)));
        measure();
        const resize = new ResizeObserver(measure);
        resize.observe(element.current!);
        return () => resize.disconnect();
    }, []);
    return [element, width];
}
