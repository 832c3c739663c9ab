// Small pieces that many parts of the page show.

import type { PixelImage } from './picture.ts';
import { type ComponentChildren, h, useEffect, useRef, useState, type VNode } from './preact.ts';

export function Problem({ error }: { error: unknown }): VNode | null {
  if (error === undefined) return null;
  const sentence = error instanceof Error ? error.message : String(error);
  return h('p', { class: 'problem', role: 'alert' }, sentence);
}

export function Badge({ tone, children }: { tone?: string | undefined; children?: ComponentChildren }): VNode {
  return h('span', { class: `badge ${tone ?? ''}` }, children);
}

export const toneOf = (state: string | undefined): string =>
  ({ READY: 'good', LOADING: 'wait', UNAVAILABLE: 'bad' })[state ?? ''] ?? '';

/** An action whose error is shown, and that can't be started twice. */
export function useAction(): {
  isBusy: boolean;
  error: unknown;
  run: (action: () => Promise<void>) => Promise<void>;
} {
  const [isBusy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(undefined);
  const running = useRef(0);
  const run = async (action: () => Promise<void>): Promise<void> => {
    const mine = ++running.current;
    setBusy(true);
    setError(undefined);
    try {
      await action();
    } catch (caught) {
      if (mine === running.current) setError(caught);
    } finally {
      if (mine === running.current) setBusy(false);
    }
  };
  return { isBusy, error, run };
}

/** What is read once, and again when `keys` change; what comes too late is dropped. */
export function useRead<T>(
  read: () => Promise<T>,
  keys: readonly unknown[],
): { value: T | undefined; error: unknown; isReading: boolean } {
  const [state, setState] = useState<{ value: T | undefined; error: unknown; isReading: boolean }>({
    value: undefined,
    error: undefined,
    isReading: true,
  });
  useEffect(() => {
    let isWanted = true;
    const done = (value: T | undefined, error: unknown): void => {
      if (isWanted) setState({ value, error, isReading: false });
    };
    read().then(
      (value) => done(value, undefined),
      (error) => done(undefined, error),
    );
    return () => {
      isWanted = false;
    };
  }, keys);
  return state;
}

/** Pixels, drawn one to one; the style makes them large. */
export function Pixels({ image, label, className }: { image: PixelImage; label: string; className: string }): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    context?.putImageData(new ImageData(image.data, image.width, image.height), 0, 0);
  }, [image]);
  return h('canvas', {
    ref: canvas,
    class: className,
    width: image.width,
    height: image.height,
    role: 'img',
    'aria-label': label,
  });
}

export function CopyButton({ text }: { text: string }): VNode {
  const [copied, setCopied] = useState(false);
  return h(
    'button',
    {
      type: 'button',
      class: 'quiet',
      onClick: async () => {
        await navigator.clipboard.writeText(text);
        setCopied(true);
        setTimeout(() => setCopied(false), 2000);
      },
    },
    copied ? 'Copied' : 'Copy',
  );
}

export function bytes(count: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB'];
  const step = count === 0 ? 0 : Math.min(3, Math.floor(Math.log10(count) / 3));
  return step === 0 ? `${count} bytes` : `${Number((count / 1000 ** step).toPrecision(3))} ${units[step]}`;
}

export const milliseconds = (ms: number): string => `${ms < 10 ? ms.toFixed(2) : Math.round(ms)} ms`;
