import { fittedImageTensor } from '../inference/image-tensor.ts';
import type { TensorMetadata } from '../protocol/messages.ts';
import type { Tensor } from '../protocol/tensor.ts';
import { getBlob, modelPath } from './api.ts';
import { DrawPad, scanOf } from './draw-pad.ts';
import { coloured, type Layout, pixelsOf, type Stroke } from './picture.ts';
import { h, useEffect, useRef, useState, type VNode } from './preact.ts';
import { Pixels, Problem, useAction, useRead } from './shown.ts';

type Source = { kind: 'drawing'; strokes: readonly Stroke[] } | { kind: 'file'; blob: Blob; name: string; url: string };

/** Larger pictures are made smaller before their pixels are read: a phone's photograph has 50 million. */
const MAX_SIDE = 2048;

async function decoded(blob: Blob, name: string): Promise<{ width: number; height: number; rgb: Uint8Array }> {
  const bitmap = await createImageBitmap(blob).catch(() => {
    throw new Error(`'${name}' is no picture that this browser can read; expected PNG, JPEG, GIF or WebP`);
  });
  const scale = Math.min(1, MAX_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)),
  ];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d') as OffscreenCanvasRenderingContext2D;
  // What is transparent is paper.
  context.fillStyle = '#000';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < rgb.length; i++) rgb[i] = data[Math.floor(i / 3) * 4 + (i % 3)] as number;
  return { width, height, rgb };
}

/** A picture for a model: drawn, chosen, pasted, dropped, or one of its samples. */
export function ImageInput({
  model,
  spec,
  layout,
  grid,
  samples,
  onTensor,
}: {
  model: string;
  spec: TensorMetadata;
  layout: Layout;
  /** See Scan. */
  grid: number | undefined;
  samples: readonly string[];
  /** When a stroke is finished, or a picture chosen; undefined: there is none any more. */
  onTensor: (tensor: Tensor | undefined) => void;
}): VNode {
  const [source, setSource] = useState<Source>({ kind: 'drawing', strokes: [] });
  const [isCentred, setCentred] = useState(grid !== undefined);
  const [isInverted, setInverted] = useState(false);
  const [tensor, setTensor] = useState<Tensor | undefined>(undefined);
  const chooser = useRef<HTMLInputElement>(null);
  const reading = useAction();

  const make = (from: Source, isDone: boolean, centre = isCentred, invert = isInverted): void => {
    setSource(from);
    if (from.kind === 'drawing' && from.strokes.length === 0) {
      setTensor(undefined);
      onTensor(undefined);
      return;
    }
    reading.run(async () => {
      const picture = from.kind === 'file' ? await decoded(from.blob, from.name) : drawn(from.strokes, centre);
      const rgb = invert ? picture.rgb.map((value) => 255 - value) : picture.rgb;
      const sized = { ...spec, shape: shapeOf(spec, layout) };
      const made = fittedImageTensor(sized, { ...picture, rgb });
      setTensor(made);
      // While the pen moves, only this is drawn again.
      if (isDone) onTensor(made);
    });
  };
  const drawn = (strokes: readonly Stroke[], centre: boolean): { width: number; height: number; rgb: Float64Array } => {
    const { grey, rows, columns } = scanOf(strokes, { grid, isCentred: centre }, layout);
    return { width: columns, height: rows, rgb: coloured(grey) };
  };
  const choose = (blob: Blob | null | undefined, name: string): void => {
    if (!blob) return;
    if (source.kind === 'file') URL.revokeObjectURL(source.url);
    make({ kind: 'file', blob, name, url: URL.createObjectURL(blob) }, true);
  };
  const latest = useRef(choose);
  latest.current = choose;
  useEffect(() => {
    const paste = (event: ClipboardEvent): void => {
      const item = [...(event.clipboardData?.items ?? [])].find(({ type }) => type.startsWith('image/'));
      latest.current(item?.getAsFile(), 'the pasted picture');
    };
    document.addEventListener('paste', paste);
    return () => document.removeEventListener('paste', paste);
  }, []);

  const strokes = source.kind === 'drawing' ? source.strokes : [];
  return h('div', { class: 'image-input' }, [
    h(
      'div',
      {
        class: 'canvases',
        onDragOver: (event: DragEvent) => event.preventDefault(),
        onDrop: (event: DragEvent) => {
          event.preventDefault();
          const file = event.dataTransfer?.files[0];
          choose(file, file?.name ?? '');
        },
      },
      [
        h('div', { class: 'pad-frame' }, [
          h(DrawPad, {
            strokes,
            onChange: (next: readonly Stroke[], isDone: boolean) => make({ kind: 'drawing', strokes: next }, isDone),
          }),
          source.kind === 'file'
            ? h('img', { class: 'pad-picture', src: source.url, alt: source.name })
            : strokes.length === 0
              ? h('p', { class: 'pad-hint', 'aria-hidden': 'true' }, 'Draw here')
              : null,
        ]),
        h('figure', { class: 'sent' }, [
          tensor === undefined
            ? h('div', { class: 'pixels empty' })
            : h(Pixels, {
                image: pixelsOf(tensor, layout.channelsFirst),
                label: 'The picture as the model gets it',
                className: 'pixels',
              }),
          h(
            'figcaption',
            {},
            tensor === undefined
              ? 'What the model gets'
              : `The model gets ${tensor.datatype} [${tensor.shape.join(', ')}]`,
          ),
        ]),
      ],
    ),
    h('div', { class: 'row' }, [
      h(
        'button',
        { type: 'button', class: 'quiet', onClick: () => make({ kind: 'drawing', strokes: [] }, false) },
        'Clear',
      ),
      h('button', { type: 'button', class: 'quiet', onClick: () => chooser.current?.click() }, 'Upload a picture'),
      h('input', {
        ref: chooser,
        type: 'file',
        accept: 'image/*',
        class: 'hidden',
        'aria-label': 'Upload a picture',
        tabIndex: -1,
        onChange: (event: Event) => {
          const input = event.currentTarget as HTMLInputElement;
          const file = input.files?.[0];
          choose(file, file?.name ?? '');
          input.value = '';
        },
      }),
      h('span', { class: 'note' }, 'or paste one'),
      check('Crop and centre', isCentred, (on) => {
        setCentred(on);
        make(source, true, on);
      }),
      check('Invert', isInverted, (on) => {
        setInverted(on);
        make(source, true, isCentred, on);
      }),
    ]),
    samples.length > 0
      ? h('div', { class: 'samples', role: 'group', 'aria-label': 'Samples' }, [
          ...samples.map((file) => h(Sample, { key: file, model, file, onChoose: choose })),
        ])
      : null,
    h(Problem, { error: reading.error }),
  ]);
}

function check(label: string, isOn: boolean, onChange: (isOn: boolean) => void): VNode {
  const change = (event: Event): void => onChange((event.currentTarget as HTMLInputElement).checked);
  return h('label', { class: 'check' }, [h('input', { type: 'checkbox', checked: isOn, onChange: change }), label]);
}

/** Of a model that takes any size, the drawing area's; an uploaded picture keeps its own where it may. */
function shapeOf({ shape }: TensorMetadata, { rows, columns, channels, channelsFirst }: Layout): readonly number[] {
  if (!shape.slice(1).includes(-1)) return shape;
  return channelsFirst ? [1, channels, rows, columns] : [1, rows, columns, channels];
}

function Sample({
  model,
  file,
  onChoose,
}: {
  model: string;
  file: string;
  onChoose: (blob: Blob, name: string) => void;
}): VNode | null {
  const { value } = useRead(async () => {
    const blob = await getBlob(`${modelPath(model)}/samples/${encodeURIComponent(file)}`);
    return { blob, url: URL.createObjectURL(blob) };
  }, [model, file]);
  if (value === undefined) return null;
  return h('button', { type: 'button', class: 'sample', title: file, onClick: () => onChoose(value.blob, file) }, [
    h('img', { src: value.url, alt: `Sample ${file}` }),
  ]);
}
