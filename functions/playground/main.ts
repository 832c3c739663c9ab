// The playground: what the server can do, to look at. It calls the public API only.

import { ApiError, getJson, hasToken, repositoryIndex, setToken } from './api.ts';
import { summaries } from './model-info.ts';
import { ModelView } from './model-view.ts';
import { ModelsView } from './models-view.ts';
import { Fragment, h, render, useEffect, useState, type VNode } from './preact.ts';
import { Problem, useRead } from './shown.ts';

type Server = { name: string; version: string; extensions: string[] };

function nameInAddress(): string | undefined {
  try {
    return decodeURIComponent(location.hash.replace(/^#\/?/, '')) || undefined;
  } catch {
    return undefined;
  }
}

function Page(): VNode {
  const [round, setRound] = useState(0);
  const [name, setName] = useState(nameInAddress);
  useEffect(() => {
    const changed = (): void => setName(nameInAddress());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  const { value, error } = useRead(
    async () => ({ server: await getJson<Server>('/v2'), models: summaries(await repositoryIndex()) }),
    [round],
  );
  const isLocked = error instanceof ApiError && error.status === 401;
  const chosen = name ?? value?.models[0]?.name;
  useEffect(() => {
    document.title = chosen === undefined ? 'Playground' : `${chosen} · Playground`;
  }, [chosen]);
  return h(Fragment, {}, [
    h('header', { class: 'top' }, [
      h('a', { class: 'skip', href: '#main', onClick: skip }, 'Skip to the model'),
      h('h1', {}, value?.server.name ?? 'Playground'),
      h('span', { class: 'note' }, value === undefined ? '' : `version ${value.server.version}`),
      h('span', { class: 'spring' }),
      h('a', { href: '/docs' }, 'API'),
    ]),
    isLocked ? h(TokenForm, { onToken: () => setRound(round + 1) }) : h(Problem, { error }),
    value === undefined
      ? null
      : h('div', { class: 'layout' }, [
          h(ModelsView, { models: value.models, chosen }),
          h('main', { id: 'main', tabIndex: -1 }, [
            chosen === undefined
              ? h('p', {}, 'The repository holds no model so far.')
              : h(ModelView, {
                  key: chosen,
                  name: chosen,
                  canExplain: value.server.extensions.includes('explain'),
                }),
          ]),
        ]),
  ]);
}

/** The address holds the model, so the link can't be one to an anchor. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function TokenForm({ onToken }: { onToken: () => void }): VNode {
  const [token, setText] = useState('');
  return h(
    'form',
    {
      class: 'card token',
      onSubmit: (event: Event) => {
        event.preventDefault();
        setToken(token.trim());
        onToken();
      },
    },
    [
      h('h2', {}, 'This server asks for its token'),
      h('p', { class: 'note' }, 'API_TOKEN, as the server was started with. It is kept until this tab is closed.'),
      hasToken() ? h('p', { class: 'problem', role: 'alert' }, 'The last one was not right.') : null,
      h('div', { class: 'row' }, [
        h('input', {
          type: 'password',
          'aria-label': 'Token',
          autocomplete: 'off',
          value: token,
          onInput: (event: Event) => setText((event.currentTarget as HTMLInputElement).value),
        }),
        h('button', { type: 'submit', class: 'main' }, 'Open'),
      ]),
    ],
  );
}

render(h(Page, {}), document.body);
