import { centred, type Layout, likeNist, type Stroke, scanned } from './picture.ts';
import { h, useEffect, useRef, useState, type VNode } from './preact.ts';

/** How a drawing becomes a picture. */
export type Scan = {
  /** Pixels each way that the training data had before they were resampled; undefined: those of the model. */
  readonly grid: number | undefined;
  readonly isCentred: boolean;
};

/** Pixels of the area on the screen, each way. */
const SIDE = 320;
/** Of a stroke, in parts of the area's side. */
const PEN = 1 / 8;
/** Scans of a small grid have so many levels of ink, as those that the digits network was trained on. */
const LEVELS = 16;
/** Pixels that a block's mean is taken of, each way. */
const BLOCK = 8;
/** How far an arrow key moves the pen. */
const STEP = 1 / 40;

function inked(strokes: readonly Stroke[], width: number, height: number, pen: number): CanvasRenderingContext2D {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  paint(context, strokes, width, height, pen);
  return context;
}

function paint(
  context: CanvasRenderingContext2D,
  strokes: readonly Stroke[],
  width: number,
  height: number,
  pen: number,
): void {
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.strokeStyle = '#fff';
  context.lineWidth = pen * Math.min(width, height);
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (const stroke of strokes) {
    context.beginPath();
    for (const [i, [x, y]] of stroke.entries()) {
      if (i === 0) context.moveTo(x * width, y * height);
      context.lineTo(x * width, y * height);
    }
    context.stroke();
  }
}

/** What a scanner of the training data would have made of the strokes: 0 to 255 of each pixel, ink is light. */
export function scanOf(
  strokes: readonly Stroke[],
  { grid, isCentred }: Scan,
  layout: Layout,
): { grey: Float64Array; rows: number; columns: number } {
  const [rows, columns] = grid === undefined ? [layout.rows, layout.columns] : [grid, grid];
  const [width, height] = [columns * BLOCK, rows * BLOCK];
  const fitted = !isCentred
    ? { strokes, pen: PEN }
    : grid === undefined
      ? { strokes: centred(strokes, PEN, 1), pen: PEN }
      : likeNist(strokes);
  const context = inked(fitted.strokes, width, height, fitted.pen);
  const { data } = context.getImageData(0, 0, width, height);
  const ink = Uint8Array.from({ length: width * height }, (_, i) => data[i * 4] as number);
  return { grey: scanned(ink, width, rows, columns, grid === undefined ? undefined : LEVELS), rows, columns };
}

/** An area to draw in, with a pointer or with the keyboard: arrows move the pen, space lowers and lifts it. */
export function DrawPad({
  strokes,
  onChange,
}: {
  strokes: readonly Stroke[];
  onChange: (strokes: readonly Stroke[], isDone: boolean) => void;
}): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [cursor, setCursor] = useState<{ at: readonly [number, number]; isDown: boolean } | undefined>(undefined);
  const drawing = useRef(false);

  useEffect(() => {
    const context = canvas.current?.getContext('2d');
    if (context == null) return;
    paint(context, strokes, SIDE, SIDE, PEN);
    if (cursor === undefined) return;
    const [x, y] = cursor.at;
    context.beginPath();
    context.arc(x * SIDE, y * SIDE, 8, 0, 2 * Math.PI);
    context.lineWidth = 3;
    context.strokeStyle = cursor.isDown ? '#ff9f1a' : '#8f8ffb';
    context.stroke();
  }, [strokes, cursor]);

  const place = (event: PointerEvent): readonly [number, number] => {
    const box = (event.currentTarget as Element).getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const extended = (point: readonly [number, number]): readonly Stroke[] => [
    ...strokes.slice(0, -1),
    [...(strokes.at(-1) ?? []), point],
  ];
  const key = (event: KeyboardEvent): void => {
    const moves: { [key: string]: readonly [number, number] } = {
      ArrowLeft: [-STEP, 0],
      ArrowRight: [STEP, 0],
      ArrowUp: [0, -STEP],
      ArrowDown: [0, STEP],
    };
    const { at, isDown } = cursor ?? { at: [0.5, 0.5] as const, isDown: false };
    const move = moves[event.key];
    if (move !== undefined) {
      const clamp = (value: number): number => Math.min(1, Math.max(0, value));
      const moved = [clamp(at[0] + move[0]), clamp(at[1] + move[1])] as const;
      setCursor({ at: moved, isDown });
      if (isDown) onChange(extended(moved), false);
    } else if (event.key === ' ') {
      setCursor({ at, isDown: !isDown });
      onChange(isDown ? strokes : [...strokes, [at]], isDown);
    } else return;
    event.preventDefault();
  };

  return h('canvas', {
    ref: canvas,
    class: 'pad',
    width: SIDE,
    height: SIDE,
    tabIndex: 0,
    role: 'application',
    'aria-label': 'Drawing area. Arrow keys move the pen, space lowers and lifts it.',
    onKeyDown: key,
    onBlur: () => {
      if (cursor?.isDown) onChange(strokes, true);
      setCursor(undefined);
    },
    onPointerDown: (event: PointerEvent) => {
      drawing.current = true;
      (event.currentTarget as Element).setPointerCapture(event.pointerId);
      onChange([...strokes, [place(event)]], false);
    },
    onPointerMove: (event: PointerEvent) => {
      if (drawing.current) onChange(extended(place(event)), false);
    },
    onPointerUp: () => {
      drawing.current = false;
      onChange(strokes, true);
    },
    onPointerCancel: () => {
      drawing.current = false;
    },
  });
}
