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
    for (const point of rest) await page.mouse.move(...at(point));
    await page.mouse.up();
  }
}

const arc = (x: number, y: number, rx: number, ry: number, from: number, to: number): Point[] =>
  Array.from({ length: 17 }, (_, i) => {
    const angle = ((from + ((to - from) * i) / 16) * Math.PI) / 180;
    return [x + rx * Math.cos(angle), y + ry * Math.sin(angle)] as const;
  });

/** How a person may write the digits, in the middle of the area and smaller than it. */
export const DIGITS: readonly (readonly (readonly Point[])[])[] = [
  [arc(0.5, 0.5, 0.16, 0.25, -90, 270)],
  [
    [
      [0.42, 0.36],
      [0.52, 0.25],
      [0.52, 0.75],
    ],
  ],
  [[...arc(0.5, 0.38, 0.14, 0.14, 190, 390), [0.36, 0.75], [0.66, 0.75]]],
  [[...arc(0.48, 0.37, 0.13, 0.12, 200, 450), ...arc(0.48, 0.63, 0.15, 0.14, -90, 160)]],
  [
    [
      [0.54, 0.25],
      [0.33, 0.56],
      [0.66, 0.56],
    ],
    [
      [0.57, 0.4],
      [0.55, 0.78],
    ],
  ],
  [[[0.64, 0.25], [0.4, 0.25], [0.38, 0.47], ...arc(0.48, 0.61, 0.15, 0.15, -120, 150)]],
  [[[0.57, 0.24], [0.4, 0.5], ...arc(0.5, 0.63, 0.13, 0.13, 180, 540)]],
  [
    [
      [0.34, 0.25],
      [0.66, 0.25],
      [0.46, 0.77],
    ],
    [
      [0.4, 0.5],
      [0.64, 0.5],
    ],
  ],
  [[...arc(0.5, 0.37, 0.12, 0.12, 90, 450), ...arc(0.5, 0.63, 0.14, 0.14, -90, 270)]],
  [[...arc(0.5, 0.38, 0.13, 0.13, 0, 360), [0.62, 0.5], [0.55, 0.77]]],
];
