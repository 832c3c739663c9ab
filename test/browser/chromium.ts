import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** Debian's, or one that a variable names. Root has no sandbox; nothing is asked of any other host. */
export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export type Opened = { readonly page: Page; readonly problems: string[]; close(): Promise<void> };

/** A page that collects what goes wrong in it: errors, what the policy stops, and requests to other hosts. */
export async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // What may be missing is asked for, too.
    const isMissing = /the server responded with a status of (401|404|503)/.test(message.text());
    if (message.type() === 'error' && !isMissing) problems.push(message.text());
  });
  const { host } = new URL(url);
  page.on('request', (request) => {
    const asked = new URL(request.url());
    if (/^https?:$/.test(asked.protocol) && asked.host !== host) problems.push(`asked ${asked.href}`);
  });
  await page.goto(url);
  return { page, problems, close: () => context.close() };
}

type Point = readonly [x: number, y: number];

/** Draws with the pointer; the points are parts of the drawing area's side. */
export async function draw(page: Page, strokes: readonly (readonly Point[])[]): Promise<void> {
  const box = await page.locator('canvas.pad').boundingBox();
  if (box === null) throw new Error('there is no drawing area');
  for (const [first, ...rest] of strokes) {
    const at = ([x, y]: Point): Point => [box.x + x * box.width, box.y + y * box.height];
    await page.mouse.move(...at(first as Point));
    await page.mouse.down();
    for (const point of rest) await page.mouse.move(...at(point), { steps: 6 });
    await page.mouse.up();
  }
}

export const SEVEN: readonly (readonly Point[])[] = [
  [
    [0.3, 0.25],
    [0.7, 0.25],
    [0.45, 0.8],
  ],
];
