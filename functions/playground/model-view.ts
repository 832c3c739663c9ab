import { getText, hasToken, modelPath, type Release } from './api.ts';
import { latencyOf } from './latency.ts';
import { described, type ModelInfo, percent, readExposition, readModel } from './model-info.ts';
import { h, useEffect, useState, type VNode } from './preact.ts';
import { Badge, bytes, milliseconds, Problem, useRead } from './shown.ts';
import { TryView } from './try-view.ts';

/** One model: what it is, a try, how it came to be, and how fast it answers. */
export function ModelView({ name, canExplain }: { name: string; canExplain: boolean }): VNode {
  const { value: info, error, isReading } = useRead(() => readModel(name), [name]);
  if (info === undefined) {
    return h('div', {}, [
      h('h2', {}, name),
      isReading ? h('p', { class: 'note', role: 'status' }, 'Loading the model…') : h(Problem, { error }),
    ]);
  }
  return h('article', {}, [
    h(Head, { info }),
    h(TryView, { info, canExplain }),
    h('div', { class: 'columns' }, [
      h(Latency, { name }),
      info.release === undefined ? null : h(Releases, { release: info.release }),
    ]),
    info.version !== undefined && info.metrics !== undefined ? h(Report, { model: name, version: info.version }) : null,
  ]);
}

function Head({ info }: { info: ModelInfo }): VNode {
  const { name, metadata, release, version, metrics } = info;
  const interval = metrics?.accuracy_interval_95;
  return h('header', { class: 'head' }, [
    h('div', { class: 'row' }, [
      h('h2', {}, name),
      h(Badge, { tone: 'good' }, `live: ${version ?? 'none'}`),
      release?.canary === undefined
        ? null
        : h(Badge, { tone: 'wait' }, `canary: ${release.canary.version} on ${percent(release.canary.weight)}`),
      release?.pinned ? h(Badge, {}, 'pinned') : null,
    ]),
    h('dl', { class: 'facts' }, [
      metrics?.accuracy === undefined
        ? null
        : h(Fact, {
            name: 'Accuracy',
            value: percent(metrics.accuracy),
            more:
              (metrics.correct !== undefined && metrics.samples !== undefined
                ? `${metrics.correct} of ${metrics.samples} held-out`
                : '') +
              (interval === undefined ? '' : `, 95 % interval ${percent(interval[0])} to ${percent(interval[1])}`),
          }),
      h(Fact, { name: 'Inputs', value: metadata.inputs.map(described).join('; ') || 'none' }),
      h(Fact, { name: 'Outputs', value: metadata.outputs.map(described).join('; ') }),
      info.bytes === undefined ? null : h(Fact, { name: 'Size', value: bytes(info.bytes) }),
      h(Fact, { name: 'Versions', value: info.versions.join(', ') }),
    ]),
  ]);
}

function Fact({ name, value, more }: { name: string; value: string; more?: string }): VNode {
  return h('div', {}, [
    h('dt', {}, name),
    h('dd', {}, [value, more ? h('span', { class: 'note' }, ` ${more}`) : null]),
  ]);
}

function Releases({ release: { history = [] } }: { release: Release }): VNode {
  const events = history.toReversed().slice(0, 50);
  return h('section', { class: 'card', 'aria-label': 'Releases' }, [
    h('h3', {}, 'Releases'),
    events.length === 0
      ? h('p', { class: 'note' }, 'Nothing was published so far.')
      : h('div', { class: 'scroll', tabIndex: 0, role: 'region', 'aria-label': 'History of releases' }, [
          h('table', {}, [
            h('thead', {}, [
              h(
                'tr',
                {},
                ['When', 'What', 'Version', 'By', 'Why'].map((title) => h('th', { scope: 'col' }, title)),
              ),
            ]),
            h(
              'tbody',
              {},
              events.map(({ action, version, at, by, reason }) =>
                h('tr', {}, [
                  h('td', {}, h('time', { dateTime: at }, new Date(at).toLocaleString())),
                  h('td', {}, action),
                  h('td', {}, version),
                  h('td', {}, by),
                  h('td', {}, reason ?? ''),
                ]),
              ),
            ),
          ]),
        ]),
  ]);
}

const REFRESH_MS = 3_000;

/** Of this process, where it tells; read again while the page is looked at. */
function Latency({ name }: { name: string }): VNode | null {
  const [tick, setTick] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => {
      if (!document.hidden) setTick((before) => before + 1);
    }, REFRESH_MS);
    return () => clearInterval(timer);
  }, []);
  const { value: text } = useRead(readExposition, [name, tick]);
  const latency = text === undefined ? undefined : latencyOf(text, name);
  if (latency === undefined) return null;
  const largest = Math.max(...latency.buckets.map(({ count }) => count));
  return h('section', { class: 'card', 'aria-label': 'Latency' }, [
    h('h3', {}, 'Latency of this process'),
    h(
      'p',
      { class: 'note' },
      `${latency.count} requests, ${milliseconds(latency.meanMs)} in the mean, in milliseconds up to`,
    ),
    h(
      'ol',
      { class: 'histogram' },
      latency.buckets.map(({ upTo, count }) =>
        h('li', { title: `${count} requests` }, [
          h('span', { class: 'count' }, count === 0 ? '' : String(count)),
          h('span', { class: 'column', 'aria-hidden': 'true', style: { height: `${(count / largest) * 100}%` } }),
          h('span', { class: 'edge' }, upTo === Number.POSITIVE_INFINITY ? 'more' : String(upTo)),
        ]),
      ),
    ),
  ]);
}

/** The report of the training is a page of its own that may do nothing; it is framed only when somebody opens it. */
function Report({ model, version }: { model: string; version: string }): VNode {
  const [isOpen, setOpen] = useState(false);
  const path = `${modelPath(model, version)}/report`;
  return h(
    'details',
    { class: 'card', onToggle: (event: Event) => setOpen((event.currentTarget as HTMLDetailsElement).open) },
    [
      h('summary', {}, h('h3', {}, `Training report of version ${version}`)),
      !isOpen
        ? null
        : hasToken()
          ? h(ReportFile, { path, name: `${model}-${version}.html` })
          : h('iframe', { src: path, sandbox: '', title: `Training report of version ${version}`, loading: 'lazy' }),
    ],
  );
}

/** A frame can't send the token: the report becomes a file. */
function ReportFile({ path, name }: { path: string; name: string }): VNode {
  const { value, error } = useRead(async () => {
    return URL.createObjectURL(new Blob([await getText(path)], { type: 'application/octet-stream' }));
  }, [path]);
  if (value === undefined) return h(Problem, { error });
  return h('a', { href: value, download: name }, 'Download the report');
}
