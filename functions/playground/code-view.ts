import { h, useMemo, useState, type VNode } from './preact.ts';
import { CopyButton } from './shown.ts';
import { type Call, curl, python, typescript } from './snippets.ts';

const LANGUAGES = { curl, Python: python, TypeScript: typescript } as const;

/** The request as other programs send it. */
export function CodeView({ call }: { call: Call }): VNode {
  const [language, setLanguage] = useState<keyof typeof LANGUAGES>('curl');
  const { asked, version } = call;
  const text = useMemo(() => LANGUAGES[language](call), [language, asked, version]);
  return h('section', { class: 'card code', 'aria-label': 'The request as code' }, [
    h('div', { class: 'row' }, [
      h('h3', {}, 'The same request as code'),
      h('span', { class: 'spring' }),
      ...Object.keys(LANGUAGES).map((name) =>
        h(
          'button',
          {
            type: 'button',
            class: 'tab',
            'aria-pressed': name === language,
            onClick: () => setLanguage(name as keyof typeof LANGUAGES),
          },
          name,
        ),
      ),
      h(CopyButton, { text }),
    ]),
    h('pre', { tabIndex: 0, 'aria-label': `${language} code` }, h('code', {}, text)),
  ]);
}
