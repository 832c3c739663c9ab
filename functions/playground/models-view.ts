import { getJson, modelPath, optional, type Release } from './api.ts';
import { percent, readMetrics, type Summary } from './model-info.ts';
import { h, useState, type VNode } from './preact.ts';
import { Badge, toneOf, useRead } from './shown.ts';

/** A search is offered from so many models on; so many more are shown at a time. */
const MANY = 8;
const PAGE = 40;

export function ModelsView({ models, chosen }: { models: readonly Summary[]; chosen: string | undefined }): VNode {
  const [search, setSearch] = useState('');
  const [limit, setLimit] = useState(PAGE);
  const found = models.filter(({ name }) => name.toLowerCase().includes(search.trim().toLowerCase()));
  return h('nav', { class: 'models', 'aria-label': 'Models' }, [
    h('h2', {}, `Models (${models.length})`),
    models.length >= MANY
      ? h('input', {
          type: 'search',
          placeholder: 'Search',
          'aria-label': 'Search models',
          value: search,
          onInput: (event: Event) => setSearch((event.currentTarget as HTMLInputElement).value),
        })
      : null,
    h(
      'ul',
      {},
      found.slice(0, limit).map((summary) => h(Row, { key: summary.name, summary, isChosen: summary.name === chosen })),
    ),
    found.length === 0 ? h('p', { class: 'note' }, search ? 'No model has such a name.' : 'No model so far.') : null,
    found.length > limit
      ? h(
          'button',
          { type: 'button', class: 'quiet', onClick: () => setLimit(limit + PAGE) },
          `${found.length - limit} more`,
        )
      : null,
  ]);
}

function Row({ summary: { name, state, reason, live }, isChosen }: { summary: Summary; isChosen: boolean }): VNode {
  // Neither loads the model.
  const { value } = useRead(async () => {
    if (state === undefined) return undefined;
    const release = await optional(getJson<Release>(`${modelPath(name)}/release`));
    const version = release?.live ?? live;
    const metrics = version === undefined ? undefined : await optional(readMetrics(name, version));
    return { release, version, accuracy: metrics?.accuracy };
  }, [name, state, live]);
  const version = value?.version ?? live;
  const facts = [
    ...(version === undefined ? [] : [`live ${version}`]),
    ...(value?.release?.canary === undefined ? [] : [`canary ${value.release.canary.version}`]),
    ...(value?.accuracy === undefined ? [] : [percent(value.accuracy)]),
  ];
  return h('li', {}, [
    h(
      'a',
      { href: `#/${encodeURIComponent(name)}`, 'aria-current': isChosen ? 'page' : undefined, title: reason ?? name },
      [
        h('span', { class: 'name' }, name),
        h(Badge, { tone: toneOf(state) }, (state ?? 'not loaded').toLowerCase()),
        h('span', { class: 'note' }, facts.join(' · ')),
      ],
    ),
  ]);
}
